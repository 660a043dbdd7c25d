//! The folder of a box's station, and the lock in it: who holds the lock runs the station.
//!
//! The kernel drops the lock with its process, so a crash leaves nothing to clean up, and a station that
//! lives is never mistaken for a dead one.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why the folder of the station cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FolderError {
    /// Others can reach into it, or something else is in its place.
    #[error("{} {what}; help: {help}", .path.display())]
    Unsafe {
        /// The folder, or what is in it.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do.
        help: String,
    },
    /// The system refuses.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What clients need to know of the station.
pub(crate) const INFO: &str = "station.json";
const LOCK: &str = "lock";

/// Whether a process runs the station of this folder.
pub(crate) fn is_locked(folder: &Path) -> bool {
    let open = OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(folder.join(LOCK));
    // Shared, so that two that look are no owners to each other.
    open.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// A folder that is ours and closed to others.
#[derive(Debug, Clone)]
pub(crate) struct StationFolder {
    root: PathBuf,
}

impl StationFolder {
    /// Makes the folder, or finds one that is ours and closed.
    pub(crate) fn open(root: &Path) -> Result<Self, FolderError> {
        let io = |action| move |source| FolderError::Io { action, path: root.to_owned(), source };
        match DirBuilder::new().recursive(true).mode(0o700).create(root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io("make the folder")(error)),
            _ => {}
        }
        let found = std::fs::symlink_metadata(root).map_err(io("look at the folder"))?;
        if found.is_symlink() || !found.is_dir() {
            let what = if found.is_symlink() { "is a link" } else { "is no folder" };
            let help = "remove it: the folder is made when it is missing".to_owned();
            return Err(FolderError::Unsafe { path: root.to_owned(), what: what.to_owned(), help });
        }
        match open_to_others(&found) {
            Some(what) => {
                Err(FolderError::Unsafe { path: root.to_owned(), what, help: format!("chmod 700 {}", root.display()) })
            }
            None => Ok(Self { root: root.to_owned() }),
        }
    }

    /// What clients need to know of the station.
    pub(crate) fn info(&self) -> PathBuf {
        self.root.join(INFO)
    }

    /// The station's identity.
    pub(crate) fn node_key(&self) -> PathBuf {
        self.root.join("node.key")
    }

    /// The identity of the station's realm.
    pub(crate) fn realm_key(&self) -> PathBuf {
        self.root.join("realm.key")
    }

    /// The orgs that its realm admitted.
    pub(crate) fn orgs(&self) -> PathBuf {
        self.root.join("orgs")
    }

    /// Takes the lock, if nobody has it.
    pub(crate) fn take(&self) -> Result<Option<Lock>, FolderError> {
        let path = self.root.join(LOCK);
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| FolderError::Io { action, path, source }
        };
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(NOFOLLOW)
            .open(&path);
        // Opened anew each time: the folder may have been removed and made again.
        let file = open.map_err(io("open the lock", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(io("lock", &path)(error)),
        }
        let lock = Lock { file, path };
        Ok(lock.is_in_place().then_some(lock))
    }
}

/// The lock, ours until this is dropped. The file says who has it and where the last station listened.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Whether what is locked is still what others find: a lock on a file that was removed keeps nobody out.
    pub(crate) fn is_in_place(&self) -> bool {
        let ours = self.file.metadata().map(|found| (found.dev(), found.ino()));
        let theirs = std::fs::symlink_metadata(&self.path).map(|found| (found.dev(), found.ino()));
        matches!((ours, theirs), (Ok(ours), Ok(theirs)) if ours == theirs)
    }

    /// Where the last station listened, whoever ran it.
    pub(crate) fn last_port(&mut self) -> Option<u16> {
        let mut text = String::new();
        self.file.rewind().ok()?;
        (&self.file).take(64).read_to_string(&mut text).ok()?;
        text.lines().nth(1)?.parse().ok().filter(|port| *port != 0)
    }

    /// Notes that this process has the seat, with a station on that port.
    pub(crate) fn note(&mut self, port: u16) -> Result<(), FolderError> {
        let text = format!("{}\n{port}\n", std::process::id());
        let written =
            self.file.set_len(0).and_then(|()| self.file.rewind()).and_then(|()| self.file.write_all(text.as_bytes()));
        written.map_err(|source| FolderError::Io { action: "write the lock", path: self.path.clone(), source })
    }
}

/// What lets others at a file or folder, if anything does.
pub(crate) fn open_to_others(found: &Metadata) -> Option<String> {
    let ours = rustix::process::geteuid().as_raw();
    if found.uid() != ours {
        return Some(format!("belongs to user {}, this process runs as {ours}", found.uid()));
    }
    (found.mode() & 0o077 != 0).then(|| format!("is open to others (mode {:04o})", found.mode() & 0o7777))
}

/// A link in place of a file would have us read or write whatever it points to.
const NOFOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// Reads a file of ours, if it is there, and no more of it than `most` bytes.
pub(crate) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, FolderError> {
    let io = |source| FolderError::Io { action: "read", path: path.to_owned(), source };
    let refuse = |what: String| {
        let help = "remove it: the station writes it anew".to_owned();
        Err(FolderError::Unsafe { path: path.to_owned(), what, help })
    };
    // Without waiting for who writes, should it be a pipe.
    let flags = NOFOLLOW | rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io)?,
    };
    let found = file.metadata().map_err(io)?;
    if !found.is_file() {
        return refuse("is no file".to_owned());
    }
    if let Some(what) = open_to_others(&found) {
        return refuse(what);
    }
    let mut content = Vec::new();
    file.take(most).read_to_end(&mut content).map_err(io)?;
    Ok(Some(content))
}

/// Writes a file, whole or not at all. Only for who has the lock.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), FolderError> {
    let temporary = path.with_extension("tmp");
    // What a process that died here left has whatever mode and content it has.
    remove(&temporary)?;
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
    let written = open.and_then(|mut file| file.write_all(content));
    let replaced = written.and_then(|()| std::fs::rename(&temporary, path));
    replaced.map_err(|source| FolderError::Io { action: "write", path: path.to_owned(), source })
}

/// Removes a file; one that is gone already is fine.
pub(crate) fn remove(path: &Path) -> Result<(), FolderError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FolderError::Io { action: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn one_at_a_time_has_the_lock() {
        let home = tempfile::tempdir().unwrap();
        let folder = StationFolder::open(&home.path().join("run/station")).unwrap();
        let first = folder.take().unwrap().unwrap();
        assert!(folder.take().unwrap().is_none());
        drop(first);
        assert!(folder.take().unwrap().is_some());
    }

    #[test]
    fn the_lock_remembers_where_the_last_station_listened() {
        let home = tempfile::tempdir().unwrap();
        let folder = StationFolder::open(&home.path().join("station")).unwrap();
        let mut lock = folder.take().unwrap().unwrap();
        assert_eq!(lock.last_port(), None);
        lock.note(40_001).unwrap();
        lock.note(4433).unwrap();
        drop(lock);
        assert_eq!(folder.take().unwrap().unwrap().last_port(), Some(4433));
    }

    #[test]
    fn a_lock_on_a_removed_folder_is_told() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("station");
        let lock = StationFolder::open(&root).unwrap().take().unwrap().unwrap();
        assert!(lock.is_in_place());
        std::fs::remove_dir_all(&root).unwrap();
        assert!(!lock.is_in_place());
        assert!(StationFolder::open(&root).unwrap().take().unwrap().is_some());
        assert!(!lock.is_in_place());
    }

    #[test]
    fn a_folder_that_others_reach_is_refused_by_name() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("station");
        let refused = || StationFolder::open(&root).unwrap_err().to_string();

        std::fs::create_dir(&root).unwrap();
        std::fs::set_permissions(&root, Permissions::from_mode(0o750)).unwrap();
        let said = refused();
        assert!(
            said.ends_with(&format!("is open to others (mode 0750); help: chmod 700 {}", root.display())),
            "{said}"
        );

        std::fs::set_permissions(&root, Permissions::from_mode(0o700)).unwrap();
        assert!(StationFolder::open(&root).is_ok());
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&root, Some(12_345), None).unwrap();
            assert!(refused().contains("belongs to user 12345, this process runs as 0"), "{}", refused());
        }
        std::fs::remove_dir(&root).unwrap();

        let elsewhere = home.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, &root).unwrap();
        assert!(refused().contains("is a link"), "{}", refused());
        std::fs::remove_file(&root).unwrap();

        std::fs::write(&root, "").unwrap();
        assert!(refused().contains("is no folder") || refused().contains("cannot make the folder"), "{}", refused());
    }

    #[test]
    fn a_link_in_place_of_the_lock_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("station");
        let folder = StationFolder::open(&root).unwrap();
        let elsewhere = home.path().join("elsewhere");
        symlink(&elsewhere, root.join("lock")).unwrap();
        let said = folder.take().unwrap_err().to_string();
        assert!(said.starts_with("cannot open the lock"), "{said}");
        assert!(!elsewhere.exists());
    }
}
