//! The keys of the station of this box: made by the first station, kept for all that follow it.
//!
//! Clients pin the station's node and trust its realm's key, so a key that does not read is told, never
//! replaced.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use macula_rust::node_key::{KeyFileError, NodeKey, Purpose};
use macula_rust::profile::Profile;
use thiserror::Error;

use crate::Keys;
use crate::folder::{StationFolder, open_to_others};

/// Why a key of the station cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeysError {
    /// Others can read it.
    #[error("the key {} {what}; help: chmod 600 it if nobody else can have read it, else remove it: a new one is made", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Who can read it.
        what: String,
    },
    /// It is no key.
    #[error("the key {} {what}; help: put the key back, or remove what is there: a new one is made, and services that were told the old one are to be told", .path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// It is a key of another profile than this process is told.
    #[error(
        "the key {} is of the profile {found}, this service is told {told}; help: give all services of this box one profile, or stop them and remove the keys of the station",
        .path.display()
    )]
    OtherProfile {
        /// The file.
        path: PathBuf,
        /// The profile of the key.
        found: &'static str,
        /// The profile that this process is told.
        told: &'static str,
    },
    /// The system refuses.
    #[error("cannot {action} the key {}", .path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system or the key file said.
        source: io::Error,
    },
}

/// Loads the keys, and makes those that are missing. Only for who has the seat.
pub(crate) fn load_or_make(folder: &StationFolder, profile: Profile) -> Result<Keys, KeysError> {
    let (node, realm) = (folder.node_key(), folder.realm_key());
    // Both before one is made: a key of the wrong profile leaves no new one beside it.
    let (found_node, found_realm) = (load(&node, profile)?, load(&realm, profile)?);
    let key = |found: Option<NodeKey>, path| found.map_or_else(|| make(path, profile), Ok).map(Arc::new);
    Ok(Keys { node: key(found_node, &node)?, realm: key(found_realm, &realm)? })
}

fn load(path: &Path, profile: Profile) -> Result<Option<NodeKey>, KeysError> {
    let no_key = |what: &str| KeysError::NoKey { path: path.to_owned(), what: what.to_owned() };
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(KeysError::Io { action: "look at", path: path.to_owned(), source }),
    };
    if found.is_symlink() {
        return Err(no_key("is a link"));
    }
    if !found.is_file() {
        return Err(no_key(if found.is_dir() { "is a folder" } else { "is no file" }));
    }
    if let Some(what) = open_to_others(&found) {
        return Err(KeysError::Open { path: path.to_owned(), what });
    }
    if found.len() == 0 {
        return Err(no_key("is empty"));
    }
    NodeKey::load(path, Purpose::Identity, profile).map(Some).map_err(|error| refusal(error, "read", path, profile))
}

/// Owner-only, synced, and moved to its place only where nothing is: what the SDK does with its own keys.
fn make(path: &Path, profile: Profile) -> Result<NodeKey, KeysError> {
    tracing::info!(path = %path.display(), profile = profile.name(), "a new key of the development station");
    NodeKey::load_or_create(path, profile).map_err(|error| refusal(error, "make", path, profile))
}

fn refusal(error: KeyFileError, action: &'static str, path: &Path, told: Profile) -> KeysError {
    let path = path.to_owned();
    match error {
        KeyFileError::Io(source) => KeysError::Io { action, path, source },
        KeyFileError::Generate(error) => KeysError::Io { action, path, source: io::Error::other(error) },
        KeyFileError::WrongProfile(found) => KeysError::OtherProfile { path, found: found.name(), told: told.name() },
        error => KeysError::NoKey { path, what: format!("does not read: {error}") },
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    fn folder() -> (TempDir, StationFolder) {
        let home = tempfile::tempdir().unwrap();
        let folder = StationFolder::open(&home.path().join("station")).unwrap();
        (home, folder)
    }

    fn ids(keys: &Keys) -> ([u8; 32], [u8; 32]) {
        (keys.node.node_id().unwrap(), keys.realm.node_id().unwrap())
    }

    fn private(path: &Path) {
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn keys_are_made_once_and_loaded_ever_after() {
        let (_home, folder) = folder();
        let made = ids(&load_or_make(&folder, Profile::PqPure).unwrap());
        assert_ne!(made.0, made.1);
        for path in [folder.node_key(), folder.realm_key()] {
            assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        }
        assert_eq!(ids(&load_or_make(&folder, Profile::PqPure).unwrap()), made);
    }

    #[test]
    fn only_the_key_that_is_missing_is_made() {
        let (_home, folder) = folder();
        let made = ids(&load_or_make(&folder, Profile::PqPure).unwrap());
        std::fs::remove_file(folder.realm_key()).unwrap();
        let again = ids(&load_or_make(&folder, Profile::PqPure).unwrap());
        assert_eq!(again.0, made.0);
        assert_ne!(again.1, made.1);
    }

    #[test]
    fn a_key_of_another_profile_is_told_and_nothing_is_made() {
        let (_home, folder) = folder();
        load_or_make(&folder, Profile::PqPure).unwrap();
        std::fs::remove_file(folder.node_key()).unwrap();
        let said = load_or_make(&folder, Profile::PqHybrid).unwrap_err().to_string();
        assert!(said.contains("realm.key is of the profile pq_pure, this service is told pq_hybrid; help: "), "{said}");
        assert!(!folder.node_key().exists());
    }

    #[test]
    fn what_is_no_key_is_refused_by_name_and_left_as_it_is() {
        let (home, folder) = folder();
        load_or_make(&folder, Profile::PqPure).unwrap();
        let whole = std::fs::read(folder.node_key()).unwrap();
        let path = folder.node_key();
        let said = |what: &str| {
            let said = load_or_make(&folder, Profile::PqPure).unwrap_err().to_string();
            assert!(said.contains(&format!("{} {what}", path.display())) && said.contains("; help: "), "{said}");
        };

        for mode in [0o640, 0o604, 0o666] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            said(&format!("is open to others (mode {mode:04o})"));
        }
        private(&path);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
            said("belongs to user 12345, this process runs as 0");
            std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        }

        for (content, what) in [
            (Vec::new(), "is empty"),
            (b"no key".to_vec(), "does not read: not a key file"),
            (whole[..whole.len() - 1].to_vec(), "does not read: not a key file"),
            ([&whole[..100], &[!whole[100]], &whole[101..]].concat(), "does not read: the stored public key"),
            (vec![0; 65 << 10], "does not read: the key file is longer"),
        ] {
            std::fs::write(&path, &content).unwrap();
            said(what);
            assert_eq!(std::fs::read(&path).unwrap(), content);
        }

        std::fs::remove_file(&path).unwrap();
        let elsewhere = home.path().join("elsewhere.key");
        std::fs::write(&elsewhere, &whole).unwrap();
        private(&elsewhere);
        symlink(&elsewhere, &path).unwrap();
        said("is a link");
        std::fs::remove_file(&elsewhere).unwrap();
        said("is a link");
        std::fs::remove_file(&path).unwrap();

        std::fs::create_dir(&path).unwrap();
        said("is a folder");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_with_the_key() {
        let (home, folder) = folder();
        std::fs::remove_dir_all(home.path().join("station")).unwrap();
        // Nobody writes here, root neither.
        symlink("/proc/self", home.path().join("station")).unwrap();
        let error = load_or_make(&folder, Profile::PqPure).unwrap_err();
        assert!(error.to_string().starts_with("cannot make the key"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}
