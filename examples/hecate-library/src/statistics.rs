//! How often books were lent: written now and then, so that a crash costs a minute of counting at most.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hecate_om::prelude::*;

use crate::catalogue::replace;

/// The content of the file.
#[message]
#[derive(Default)]
struct Counts {
    loans: u64,
}

pub(crate) struct Statistics {
    file: PathBuf,
    loans: AtomicU64,
}

impl Statistics {
    /// Goes on from what was written; from nothing when that cannot be read, which is no reason not to
    /// lend books.
    pub(crate) fn open(file: &Path) -> io::Result<Self> {
        let counts: Counts = match std::fs::read(file) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Counts::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { file: file.to_owned(), loans: AtomicU64::new(counts.loans) })
    }

    pub(crate) fn count(&self) {
        self.loans.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) async fn write(self: &Arc<Self>) -> io::Result<()> {
        let own = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || {
            let counts = Counts { loans: own.loans.load(Ordering::Relaxed) };
            replace(&own.file, &serde_json::to_vec(&counts)?)
        });
        written.await?
    }
}
