//! Where the key of a service is, and where it is noted which node the service was.

use std::path::PathBuf;

use macula_rust::profile::Profile;

/// The name of the key's file, in either folder.
pub(super) const KEY: &str = "node.key";
/// The part of the data folder that is the identity's.
const FOLDER: &str = "identity";
/// The file that tells a first boot from a lost key.
const MARKER: &str = "node-id";

/// Where to look for the key of a service, and in which profile it has to be.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Where a key of its own making is.
    pub(crate) data_dir: PathBuf,
    /// Where an operator may have put one.
    pub(crate) secrets_dir: PathBuf,
    pub(crate) profile: Profile,
}

impl Place {
    /// The key that an operator may have put there.
    pub(super) fn provisioned(&self) -> PathBuf {
        self.secrets_dir.join(KEY)
    }

    /// The folder of the key that the service makes for itself.
    pub(super) fn folder(&self) -> PathBuf {
        self.data_dir.join(FOLDER)
    }

    /// The key that the service makes for itself.
    pub(super) fn own(&self) -> PathBuf {
        self.folder().join(KEY)
    }

    /// Which node the service was.
    pub(super) fn marker(&self) -> PathBuf {
        self.folder().join(MARKER)
    }
}
