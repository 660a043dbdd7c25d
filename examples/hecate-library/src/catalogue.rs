//! The books, in memory to be read and in a file to be kept: what a caller was told is on the disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hecate_om::prelude::*;

use crate::LibraryRefusal;

/// A book, and who has it.
#[message]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Book {
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) lent_to: Option<String>,
}

type Books = BTreeMap<String, Book>;

pub(crate) struct Catalogue {
    file: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    books: Books,
    /// Why the last change could not be written.
    trouble: Option<String>,
}

impl Catalogue {
    /// Reads the catalogue; without one the shelves are empty.
    pub(crate) fn open(file: &Path) -> Result<Self, StartError> {
        let books = match std::fs::read(file) {
            Ok(text) => {
                let books: Vec<Book> = serde_json::from_slice(&text).map_err(|error| {
                    let help = "help: put back a copy, or move it away to begin with none";
                    StartError::config(format!("{} is no catalogue: {error}; {help}", file.display()))
                })?;
                books.into_iter().map(|book| (book.title.clone(), book)).collect()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Books::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { file: file.to_owned(), state: Mutex::new(State { books, trouble: None }) })
    }

    pub(crate) fn books(&self) -> Vec<Book> {
        self.state().books.values().cloned().collect()
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    /// Whether the file is still there: somebody may have tidied up.
    pub(crate) fn look(&self) -> Health {
        if self.state().books.is_empty() || self.file.exists() {
            return Health::Ok;
        }
        Health::degraded(format!("{} is gone; the next book that is lent brings it back", self.file.display()))
    }

    pub(crate) async fn add(self: &Arc<Self>, title: String) -> Result<Book, LibraryRefusal> {
        self.change(move |books| {
            if title.is_empty() {
                return Err(LibraryRefusal::NoTitle);
            }
            if books.contains_key(&title) {
                return Err(LibraryRefusal::AlreadyThere { title });
            }
            let book = Book { title: title.clone(), lent_to: None };
            books.insert(title, book.clone());
            Ok(book)
        })
        .await
    }

    pub(crate) async fn lend(
        self: &Arc<Self>,
        title: String,
        reader: String,
        most: u8,
    ) -> Result<Book, LibraryRefusal> {
        self.change(move |books| {
            let loans = books.values().filter(|book| book.lent_to.as_ref() == Some(&reader)).count();
            let Some(book) = books.get_mut(&title) else { return Err(LibraryRefusal::NoSuchBook { title }) };
            if let Some(to) = &book.lent_to {
                return Err(LibraryRefusal::LentAlready { to: to.clone() });
            }
            if loans >= usize::from(most) {
                return Err(LibraryRefusal::TooManyBooks { most });
            }
            book.lent_to = Some(reader);
            Ok(book.clone())
        })
        .await
    }

    pub(crate) async fn give_back(self: &Arc<Self>, title: String) -> Result<Book, LibraryRefusal> {
        self.change(move |books| {
            let Some(book) = books.get_mut(&title) else { return Err(LibraryRefusal::NoSuchBook { title }) };
            book.lent_to.take().ok_or(LibraryRefusal::NotLent)?;
            Ok(book.clone())
        })
        .await
    }

    /// Changes a copy, writes that, and only then shows it. On a thread that may wait for the disk; a
    /// caller who gives up meanwhile leaves nothing half done.
    async fn change(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Books) -> Result<Book, LibraryRefusal> + Send + 'static,
    ) -> Result<Book, LibraryRefusal> {
        let catalogue = Arc::clone(self);
        let changed = tokio::task::spawn_blocking(move || {
            let mut state = catalogue.state();
            let mut books = state.books.clone();
            let changed = change(&mut books)?;
            let all: Vec<&Book> = books.values().collect();
            match serde_json::to_vec(&all).map_err(io::Error::from).and_then(|text| replace(&catalogue.file, &text)) {
                Ok(()) => {
                    *state = State { books, trouble: None };
                    Ok(changed)
                }
                Err(error) => {
                    state.trouble = Some(format!("cannot write {}: {error}", catalogue.file.display()));
                    Err(LibraryRefusal::NotWritten)
                }
            }
        });
        changed.await.unwrap_or(Err(LibraryRefusal::NotWritten))
    }

    /// A change is shown in one step: a panic elsewhere leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a file beside the old one and puts it in its place: whenever the power goes, one of the two is
/// there, whole.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    // The rename is an entry of the folder, which has a cache of its own.
    File::open(path.parent().unwrap_or(path))?.sync_all()
}
