//! The data folder of a service: taken when it is first asked for, and then for life.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use thiserror::Error;

use crate::folder::{DataFolder, FolderError};

/// Why a service cannot have its data folder. With `?` in `start` it ends the boot with its own exit
/// code.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct DataDirError(#[from] FolderError);

impl DataDirError {
    /// The exit code of a service that needs the folder, as in `sysexits.h`: 75 while another process
    /// owns it, 77 when others can write to it, 73 when it cannot be made.
    pub fn exit_code(&self) -> u8 {
        self.0.exit_code()
    }
}

/// The folder, as soon as somebody wants it.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    taken: OnceLock<DataFolder>,
    /// Held by whoever takes it: a second one would find the lock of the first.
    taking: Mutex<()>,
}

impl DataDir {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, taken: OnceLock::new(), taking: Mutex::new(()) }
    }

    /// Lets another process have the folder: the service has stopped.
    pub(crate) fn release(&self) {
        if let Some(folder) = self.taken.get() {
            folder.release();
        }
    }

    pub(crate) fn get(&self) -> Result<&Path, DataDirError> {
        let _only_one = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = self.taken.get() {
            return Ok(&folder.path);
        }
        let folder = DataFolder::claim(&self.path)?;
        Ok(&self.taken.get_or_init(|| folder).path)
    }
}
