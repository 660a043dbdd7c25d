//! Why a service cannot be who it is. No message ever holds what is in a key file.

use std::io;
use std::path::PathBuf;

use macula_rust::node_key::KeyFileError;
use thiserror::Error;

use crate::exit;
use crate::folder::FolderError;
use crate::node_id::NodeId;
use crate::secret::SecretError;

/// Why there is no identity: which file, what is wrong with it, and what to do.
#[derive(Debug, Error)]
pub(crate) enum IdentityError {
    #[error(
        "the key of node {node} is lost: neither {} nor {} is there, and {} says that this service was that node; \
         help: put the key back, or remove {} to become a new node",
        .provisioned.display(), .own.display(), .marker.display(), .marker.display()
    )]
    Lost { node: String, provisioned: PathBuf, own: PathBuf, marker: PathBuf },
    #[error(
        "the node key {} is of node {node}, but {} says that this service was node {was}; \
         help: put the key of {was} back, or remove {} to go on as {node}",
        .key.display(), .marker.display(), .marker.display()
    )]
    OtherNode { key: PathBuf, node: NodeId, was: NodeId, marker: PathBuf },
    #[error("the node key {} {what}; help: {help}", .path.display())]
    Key { path: PathBuf, what: String, help: &'static str },
    #[error("{} {what}; help: remove it if the node key {} is the right one", .path.display(), .key.display())]
    Marker { path: PathBuf, what: &'static str, key: PathBuf },
    #[error("cannot make the node key {}", .path.display())]
    Make { path: PathBuf, source: KeyFileError },
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("cannot {action} {}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl IdentityError {
    /// The exit code of a service without an identity: 66 for a key that was lost, 77 for one that others
    /// may read or this process may not, 78 for a file that is no key of this service, 73 when the folder
    /// cannot be made, 74 when reading or writing fails.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            IdentityError::Lost { .. } => exit::NO_INPUT,
            IdentityError::OtherNode { .. } | IdentityError::Key { .. } | IdentityError::Marker { .. } => exit::CONFIG,
            IdentityError::Make { .. } | IdentityError::Io { .. } => exit::IO,
            IdentityError::Secret(error) => error.exit_code(),
            IdentityError::Folder(error) => error.exit_code(),
        }
    }
}
