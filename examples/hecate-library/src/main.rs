//! Lends books: a service that keeps something, guards something and does something by itself.
//!
//! | to see | look at |
//! |---|---|
//! | settings of its own, with defaults | `LibrarySettings`, `start`, `list` |
//! | a secret, compared in constant time | `start`, `add` |
//! | a data folder, and files that are whole after any crash | `start`, `catalogue.rs` |
//! | a task that runs by itself, and ends with a last word | `keep_statistics` |
//! | a check of one's own, beside `health` | `start`, `health` |
//! | refusals that say what a caller needs to know | `LibraryRefusal` |
//! | a service in a test: with settings and a secret, stopped and started again | `tests.rs` |
//!
//! ```text
//! mkdir -m 700 /tmp/secrets && (umask 077 && echo sesame > /tmp/secrets/librarian)
//! export HECATE_SECRETS_DIR=/tmp/secrets
//! LIBRARY_TOWN=Gent cargo run -p hecate-library &
//! cargo run -p hecate-library -- call library.add '{"token": "sesame", "title": "Emma"}'
//! cargo run -p hecate-library -- call library.lend '{"title": "Emma", "reader": "ada"}'
//! curl 'http://127.0.0.1:8470/health?verbose'
//! ```

mod catalogue;
mod statistics;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hecate_om::prelude::*;

use catalogue::{Book, Catalogue};
use statistics::Statistics;

/// How often the statistics are written.
const STATISTICS_EVERY: Duration = Duration::from_secs(60);

/// How often the file of the catalogue is looked for.
const CATALOGUE_EVERY: Duration = Duration::from_secs(30);

/// What an operator may decide: in the table `[service]` of a TOML file, or as `LIBRARY_MOST_LOANS` and
/// `LIBRARY_TOWN`. `--help` tells of them in these words.
#[settings]
struct LibrarySettings {
    /// How many books a reader may have at once.
    #[serde(default = "five")]
    most_loans: u8,
    /// Where the library is, told with its books.
    town: Option<String>,
}

fn five() -> u8 {
    5
}

struct Library {
    most_loans: u8,
    town: Option<String>,
    librarian: Secret,
    catalogue: Arc<Catalogue>,
    statistics: Arc<Statistics>,
}

/// A new book, and the word that only a librarian knows.
#[message]
struct Add {
    token: String,
    title: String,
}

/// Who wants which book.
#[message]
struct Lend {
    title: String,
    reader: String,
}

/// A book that comes back.
#[message]
struct GiveBack {
    title: String,
}

/// All books, and where they are.
#[message]
struct Books {
    town: Option<String>,
    books: Vec<Book>,
}

/// Why a book is not lent, taken back or added. Fields are the details that a caller gets; the comments
/// are the messages.
#[derive(Debug, Refusal)]
enum LibraryRefusal {
    /// Only a librarian adds books.
    LibrariansOnly,
    /// A book has a title.
    NoTitle,
    /// There is no such book.
    NoSuchBook { title: String },
    /// There is such a book already.
    AlreadyThere { title: String },
    /// Somebody else reads it.
    LentAlready { to: String },
    /// Nobody has borrowed it.
    NotLent,
    /// The reader has as many books as one may have.
    TooManyBooks { most: u8 },
    /// The catalogue could not be written, and nothing has changed.
    NotWritten,
}

/// Lends books.
#[hecate_service(name = "hecate-library", settings = LibrarySettings)]
impl Library {
    /// Whatever is wrong here ends the boot, each with an exit code of its own: 66 when the secret is
    /// missing, 75 when another library has the data folder.
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        let librarian = context.secret("librarian")?;
        let folder = context.data_dir()?;
        let catalogue = Arc::new(Catalogue::open(&folder.join("catalogue.json"))?);
        let statistics = Arc::new(Statistics::open(&folder.join("statistics.json"))?);
        keep_statistics(&context, &statistics)?;
        let looked_at = Arc::clone(&catalogue);
        context.check("catalogue", CATALOGUE_EVERY, Impact::Degrading, move || {
            let catalogue = Arc::clone(&looked_at);
            async move { catalogue.look() }
        })?;
        let LibrarySettings { most_loans, town } = context.settings();
        Ok(Self { most_loans: *most_loans, town: town.clone(), librarian, catalogue, statistics })
    }

    /// What the service knows of itself. It is asked every ten seconds, and calls never wait for it.
    async fn health(&self) -> Health {
        match self.catalogue.trouble() {
            Some(trouble) => Health::degraded(format!("books can be looked up and not lent: {trouble}")),
            None => Health::Ok,
        }
    }

    /// Adds a book.
    #[capability(version = 1)]
    async fn add(&self, request: Add) -> Result<Book, LibraryRefusal> {
        // `==` would take longer the more of the token is right, and so tell it bit by bit.
        if !self.librarian.matches(&request.token) {
            return Err(LibraryRefusal::LibrariansOnly);
        }
        self.catalogue.add(request.title).await
    }

    /// Lends a book to a reader.
    #[capability(version = 1)]
    async fn lend(&self, request: Lend) -> Result<Book, LibraryRefusal> {
        let book = self.catalogue.lend(request.title, request.reader, self.most_loans).await?;
        self.statistics.count();
        Ok(book)
    }

    /// Takes a book back.
    #[capability(version = 1)]
    async fn give_back(&self, request: GiveBack) -> Result<Book, LibraryRefusal> {
        self.catalogue.give_back(request.title).await
    }

    /// Lists all books, and who has them.
    #[capability(version = 1)]
    async fn list(&self) -> Result<Books> {
        Ok(Books { town: self.town.clone(), books: self.catalogue.books() })
    }
}

/// Writes the statistics every minute, and a last time when the service drains: no call runs then, so
/// that all are counted. When writing fails, so does the task: it is told in the log and in health, as
/// `task.statistics`, and started again.
fn keep_statistics(context: &Context<Library>, statistics: &Arc<Statistics>) -> Result<(), StartError> {
    let (own, statistics) = (context.clone(), Arc::clone(statistics));
    // A future runs once; this makes a new one for each start.
    context.spawn("statistics", move || {
        let (context, statistics) = (own.clone(), Arc::clone(&statistics));
        async move {
            loop {
                let ends = tokio::time::timeout(STATISTICS_EVERY, context.draining()).await.is_ok();
                statistics.write().await?;
                if ends {
                    return io::Result::Ok(());
                }
            }
        }
    })?;
    Ok(())
}

fn main() -> ExitCode {
    hecate_om::run::<Library>()
}
