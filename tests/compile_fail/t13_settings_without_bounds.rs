use hecate_om::prelude::*;

struct LibrarySettings {
    town: String,
}

struct Library {
    town: String,
}

/// Lends books.
#[hecate_service(name = "hecate-library", settings = LibrarySettings)]
impl Library {
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        Ok(Self { town: context.settings().town.clone() })
    }
}

fn main() {}
