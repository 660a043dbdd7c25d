//! The node key of a service: read if there is one, made once in its life, never replaced.
//!
//! A marker beside it says which node the service was. It tells a first boot from a lost key: who loses
//! the key is not that node any more, and must say so rather than come up as somebody else.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use macula_rust::node_key::{KeyFileError, NodeKey};
use macula_rust::profile::Profile;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::error::IdentityError;
use super::place::{KEY, Place};
use super::seed;
use crate::folder;
use crate::node_id::NodeId;
use crate::random;
use crate::secret;

const RESTORE: &str = "restore it from a copy: another key is another node";

/// Who a service is: its node key, and the node that it is by that.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    key: Arc<NodeKey>,
    node: NodeId,
    path: PathBuf,
    is_new: bool,
}

impl Identity {
    /// Reads the key of a service, or makes one if the service never had any. Blocks: it reads files,
    /// writes them through to the disk, and to make a key takes up to seconds.
    ///
    /// # Errors
    /// When there is a key that cannot be used, when there was one, or when none can be made. Nothing
    /// that is there is ever replaced.
    pub(crate) fn load(place: &Place) -> Result<Self, IdentityError> {
        if let Err(error) = keep_out_of_core_dumps() {
            tracing::warn!(%error, "a crash of this process may leave its node key in a core file");
        }
        let found = match read(&place.secrets_dir, place.profile)? {
            Some(key) => Self::of(key, place.provisioned(), false)?,
            None => Self::own(place)?,
        };
        found.mark(place)?;
        Ok(found)
    }

    /// Looks for the key that [`load`](Self::load) would take, and makes nothing; none when that would make
    /// one. Blocks.
    ///
    /// # Errors
    /// Those of `load` that what is there leads to.
    pub(crate) fn inspect(place: &Place) -> Result<Option<Self>, IdentityError> {
        let found = match read(&place.secrets_dir, place.profile)? {
            Some(key) => Self::of(key, place.provisioned(), false)?,
            None => match read(&place.folder(), place.profile)? {
                Some(key) => Self::of(key, place.own(), false)?,
                None => {
                    let text = marker_text(place)?;
                    return text.map_or(Ok(None), |text| Err(lost(place, &text)));
                }
            },
        };
        if let Some(text) = marker_text(place)? {
            found.is_that_of(place, &text)?;
        }
        Ok(Some(found))
    }

    /// The key.
    pub(crate) fn key(&self) -> &Arc<NodeKey> {
        &self.key
    }

    /// The node that a service with this key is.
    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// Where the key is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the key was made just now.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    fn of(key: NodeKey, path: PathBuf, is_new: bool) -> Result<Self, IdentityError> {
        let node = key.node_id().map_err(|error| refused(&path, &error.to_string()))?;
        Ok(Self { key: Arc::new(key), node: NodeId::from_bytes(node), path, is_new })
    }

    /// The key of the data folder.
    fn own(place: &Place) -> Result<Self, IdentityError> {
        let (folder, path) = (place.folder(), place.own());
        folder::make_private(&folder)?;
        if let Some(key) = read(&folder, place.profile)? {
            return Self::of(key, path, false);
        }
        if let Some(text) = marker_text(place)? {
            return Err(lost(place, &text));
        }
        // The folder itself must be on the disk before what is in it.
        sync(&place.data_dir)?;
        let made = NodeKey::load_or_create(&path, place.profile);
        let made = made.map_err(|source| IdentityError::Make { path: path.clone(), source })?;
        let made = Self::of(made, path, true)?;
        tracing::info!(node = %made.node, key = %made.path.display(), "a node key was made: keep a copy of it");
        Ok(made)
    }

    /// Whether the marker says that the service was this node.
    fn is_that_of(&self, place: &Place, marker: &str) -> Result<(), IdentityError> {
        let (key, path) = (self.path.clone(), place.marker());
        match marker.parse::<NodeId>() {
            Ok(node) if node == self.node => Ok(()),
            Ok(was) => Err(IdentityError::OtherNode { key, node: self.node, was, marker: path }),
            Err(_) => Err(IdentityError::Marker { path, what: "holds no node id", key }),
        }
    }

    /// Notes which node the service is, or finds that it was that one.
    fn mark(&self, place: &Place) -> Result<(), IdentityError> {
        match marker_text(place)? {
            Some(text) => self.is_that_of(place, &text),
            None => match write_marker(place, self.node) {
                // With its key from the secrets folder a service may run where nothing can be written.
                Err(error) if self.path == place.provisioned() => {
                    let error = crate::telemetry::chain(&error);
                    tracing::warn!(
                        error,
                        "it is not noted which node this service is: a lost key would not be noticed"
                    );
                    Ok(())
                }
                written => written,
            },
        }
    }
}

/// That a service had a key and has none.
fn lost(place: &Place, marker: &str) -> IdentityError {
    IdentityError::Lost {
        node: marker.parse::<NodeId>().map_or_else(|_| "(unknown)".to_owned(), |node| node.to_string()),
        provisioned: place.provisioned(),
        own: place.own(),
        marker: place.marker(),
    }
}

/// Reads the key of a folder, if there is one.
fn read(folder: &Path, profile: Profile) -> Result<Option<NodeKey>, IdentityError> {
    let path = folder.join(KEY);
    let bytes = match secret::read_bytes(folder, KEY) {
        Ok(bytes) => bytes,
        // A link that leads nowhere is no reason to become somebody else.
        Err(error) if error.is_missing() => {
            return match std::fs::symlink_metadata(&path) {
                Ok(_) => Err(refused(&path, "is a link that leads nowhere")),
                Err(_) => Ok(None),
            };
        }
        Err(error) => return Err(error.into()),
    };
    if bytes.is_empty() {
        return Err(refused(&path, "is empty"));
    }
    match seed::identity_of(&bytes, profile) {
        Ok(key) => Ok(Some(key)),
        Err(KeyFileError::WrongProfile(found)) => Err(IdentityError::Key {
            path,
            what: format!("is of the crypto profile {found}, this service is set to {profile}"),
            help: "a realm has one profile and its nodes have keys of that: set the one that the key is of, or give a key of the other",
        }),
        Err(KeyFileError::WrongPurpose(found)) => Err(IdentityError::Key {
            path,
            what: format!("is no identity key but a {found} key"),
            help: "give the identity key of the node",
        }),
        Err(KeyFileError::BadKeyFile) => Err(refused(&path, "holds no node key, or not all of it")),
        Err(error) => Err(refused(&path, &format!("is damaged: {error}"))),
    }
}

fn refused(path: &Path, what: &str) -> IdentityError {
    IdentityError::Key { path: path.to_owned(), what: what.to_owned(), help: RESTORE }
}

/// Which node the service was, as it was noted.
fn marker_text(place: &Place) -> Result<Option<String>, IdentityError> {
    let path = place.marker();
    let failed = |source| IdentityError::Io { action: "read", path: path.clone(), source };
    match std::fs::symlink_metadata(&path) {
        Ok(found) if found.is_file() && found.len() <= MARKER_BYTES => {
            let bytes = std::fs::read(&path).map_err(failed)?;
            Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()))
        }
        // Whatever it is, somebody was here.
        Ok(_) => Ok(Some(String::new())),
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// More than a node id with a line end.
const MARKER_BYTES: u64 = 128;

/// Whole or not at all, and on the disk.
fn write_marker(place: &Place, node: NodeId) -> Result<(), IdentityError> {
    let (folder, path) = (place.folder(), place.marker());
    folder::make_private(&folder)?;
    let staged = folder.join(format!(".node-id.{:016x}", random::number()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
        file.write_all(format!("{node}\n").as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&staged, &path)
    };
    if let Err(source) = write() {
        let _ = std::fs::remove_file(&staged);
        return Err(IdentityError::Io { action: "write", path, source });
    }
    sync(&folder)
}

/// What was put into a folder is there after a loss of power.
fn sync(folder: &Path) -> Result<(), IdentityError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| IdentityError::Io { action: "write through", path: folder.to_owned(), source })
}

/// The memory of this process is to be written nowhere. A limit of one byte, unlike none, is also obeyed
/// when a program takes the dumps; and unlike `PR_SET_DUMPABLE` it leaves `/proc/<pid>` to its user.
fn keep_out_of_core_dumps() -> io::Result<()> {
    let most = getrlimit(Resource::Core).maximum.map_or(1, |most| most.min(1));
    setrlimit(Resource::Core, Rlimit { current: Some(most), maximum: Some(most) })?;
    Ok(())
}

#[cfg(test)]
mod tests;
