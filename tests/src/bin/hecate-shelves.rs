//! A service with settings of its own: what it has read, it tells.

use hecate_om::prelude::*;

/// Which library this is.
#[settings]
struct LibrarySettings {
    /// The town of the library.
    town: String,
    /// How many books a person may have.
    #[serde(default = "five")]
    books: u8,
    /// Its other houses.
    #[serde(default)]
    branches: Vec<String>,
    /// With what it opens the catalogue.
    #[serde(default)]
    api_token: Option<u32>,
    #[serde(default)]
    port: Option<u16>,
    /// How readers are greeted.
    #[serde(default)]
    tone: Tone,
    #[serde(default)]
    shelves: Option<Shelves>,
}

#[message]
#[derive(Clone, Copy, Debug, Default)]
#[serde(rename_all = "snake_case")]
enum Tone {
    #[default]
    Soft,
    Loud,
}

/// How many shelves there are.
#[settings]
struct Shelves {
    high: u8,
    #[serde(default)]
    low: u8,
}

fn five() -> u8 {
    5
}

struct Library {
    context: Context<Self>,
}

#[message]
struct Told {
    town: String,
    books: u8,
    branches: Vec<String>,
    opens: bool,
    port: Option<u16>,
    tone: Tone,
    shelves: u8,
}

/// Lends books.
#[hecate_service(name = "hecate-library", settings = LibrarySettings)]
impl Library {
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        Ok(Self { context })
    }

    /// Tells what it has read.
    #[capability(version = 1)]
    async fn tell(&self) -> Result<Told> {
        let settings = self.context.settings();
        Ok(Told {
            town: settings.town.clone(),
            books: settings.books,
            branches: settings.branches.clone(),
            opens: settings.api_token.is_some(),
            port: settings.port,
            tone: settings.tone,
            shelves: settings.shelves.as_ref().map_or(0, |shelves| shelves.high + shelves.low),
        })
    }
}

fn main() -> ExitCode {
    hecate_om::run::<Library>()
}
