//! The folders that at most one process owns: that of a running service, `<runtime dir>/<name>`, and the
//! one where it keeps its data.
//!
//! Ownership is a lock that the kernel drops with its process, so a crash leaves nothing to clean up
//! and a living owner is never mistaken for a dead one.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::net::UnixListener;

use crate::config::MAX_SOCKET_PATH;
use crate::exit;

/// Why a folder or a socket cannot be had.
#[derive(Debug, Error)]
pub(crate) enum FolderError {
    #[error("another process{holder} uses this folder: it holds {}; help: stop it, or set {variable} for this one", .lock.display())]
    Taken { lock: PathBuf, holder: String, variable: &'static str },
    #[error("{} {what}; help: {help}", .path.display())]
    Unsafe { path: PathBuf, what: String, help: String },
    #[error("the socket path {} is {} bytes long, the kernel takes {MAX_SOCKET_PATH}; help: set HECATE_RUNTIME_DIR to a shorter folder", .0.display(), .0.as_os_str().len())]
    TooLong(PathBuf),
    #[error("{} is in the way and is no socket; help: move it, or choose another place", .0.display())]
    InTheWay(PathBuf),
    #[error("cannot {action} {}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl FolderError {
    /// The exit code of a process that needs the folder.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            FolderError::Taken { .. } => exit::TRY_AGAIN,
            FolderError::Unsafe { .. } => exit::PERMISSION,
            FolderError::TooLong(_) => exit::CONFIG,
            FolderError::InTheWay(_) | FolderError::Io { .. } => exit::CANNOT_CREATE,
        }
    }
}

/// Where the parts of a service's folder are, owned or not.
#[derive(Debug, Clone)]
pub(crate) struct ServicePaths {
    root: PathBuf,
}

impl ServicePaths {
    pub(crate) fn new(runtime_dir: &Path, service: &str) -> Self {
        Self { root: runtime_dir.join(service) }
    }

    /// The socket of the local API.
    pub(crate) fn api_socket(&self) -> PathBuf {
        self.root.join("sockets/api.sock")
    }

    /// The address of the health listener, for whoever looks for it on this box.
    pub(crate) fn health_address(&self) -> PathBuf {
        self.root.join("run/health.addr")
    }

    fn lock(&self) -> PathBuf {
        self.root.join("run/lock")
    }
}

/// How many services of a box are looked at.
const MOST_SERVICES: usize = 256;

/// The services that have a socket in this runtime folder, by their names; whether they run is for their
/// sockets to say.
pub(crate) fn services_in(runtime_dir: &Path) -> Vec<(String, ServicePaths)> {
    let entries = std::fs::read_dir(runtime_dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let services = names.map(|name| (ServicePaths::new(runtime_dir, &name), name)).map(|(paths, name)| (name, paths));
    services.filter(|(_, paths)| std::fs::symlink_metadata(paths.api_socket()).is_ok()).take(MOST_SERVICES).collect()
}

/// The folder of a service, ours until the process ends.
#[derive(Debug)]
pub(crate) struct ServiceFolder {
    pub(crate) paths: ServicePaths,
    _lock: File,
}

impl ServiceFolder {
    /// Takes the folder, and makes it if it is not there.
    ///
    /// # Errors
    /// When another process owns it, when others could reach into it, or when it cannot be made.
    pub(crate) fn claim(runtime_dir: &Path, service: &str) -> Result<Self, FolderError> {
        let paths = ServicePaths::new(runtime_dir, service);
        if paths.api_socket().as_os_str().len() > MAX_SOCKET_PATH {
            return Err(FolderError::TooLong(paths.api_socket()));
        }
        for folder in [runtime_dir, &paths.root, &paths.root.join("sockets"), &paths.root.join("run")] {
            make_folder(folder, PRIVATE, RUNTIME_DIR)?;
        }
        let lock = take_lock(&paths.lock(), RUNTIME_DIR)?;
        Ok(Self { paths, _lock: lock })
    }

    /// Looks for what would keep `claim` from taking the folder, and makes nothing. Tells whether the
    /// folder is there.
    ///
    /// # Errors
    /// Those of `claim`.
    pub(crate) fn inspect(runtime_dir: &Path, service: &str) -> Result<bool, FolderError> {
        let paths = ServicePaths::new(runtime_dir, service);
        if paths.api_socket().as_os_str().len() > MAX_SOCKET_PATH {
            return Err(FolderError::TooLong(paths.api_socket()));
        }
        for folder in [runtime_dir, &paths.root, &paths.root.join("sockets"), &paths.root.join("run")] {
            match std::fs::symlink_metadata(folder) {
                Ok(_) => check_closed(folder, PRIVATE, RUNTIME_DIR)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return check_can_make(folder).map(|()| false);
                }
                Err(source) => {
                    return Err(FolderError::Io { action: "look at the folder", path: folder.to_owned(), source });
                }
            }
        }
        inspect_lock(&paths.lock(), RUNTIME_DIR).map(|()| true)
    }

    /// Listens on the socket of the local API; one that a dead process left is replaced.
    pub(crate) fn listen(&self) -> Result<UnixListener, FolderError> {
        bind(&self.paths.api_socket())
    }

    /// Writes a file of the folder, whole or not at all.
    pub(crate) fn publish(&self, path: &Path, text: &str) -> Result<(), FolderError> {
        let temporary = path.with_extension("tmp");
        let failed = |source| FolderError::Io { action: "write", path: path.to_owned(), source };
        std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, path)).map_err(failed)
    }
}

impl Drop for ServiceFolder {
    /// Whoever looks for the service must not find where it was; the lock goes last.
    fn drop(&mut self) {
        let socket = self.paths.api_socket();
        // Something else that is in its way stays.
        if std::fs::symlink_metadata(&socket).is_ok_and(|found| found.file_type().is_socket()) {
            remove(&socket);
        }
        remove(&self.paths.health_address());
    }
}

/// A socket at a place that an operator chose, with a lock of its own beside it.
#[derive(Debug)]
pub(crate) struct OwnedSocket {
    path: PathBuf,
    _lock: File,
}

impl Drop for OwnedSocket {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

impl OwnedSocket {
    /// Takes the socket at `path`.
    ///
    /// # Errors
    /// When another process owns it, or when it cannot be made.
    pub(crate) fn claim(path: &Path) -> Result<(Self, UnixListener), FolderError> {
        let lock = take_lock(&Self::lock(path), RUNTIME_DIR)?;
        let listener = bind(path)?;
        Ok((Self { path: path.to_owned(), _lock: lock }, listener))
    }

    /// Looks for what would keep `claim` from taking the socket, and makes nothing: a lock that one user
    /// leaves keeps another out.
    ///
    /// # Errors
    /// Those of `claim`.
    pub(crate) fn inspect(path: &Path) -> Result<(), FolderError> {
        use rustix::fs::Access;
        let folder = path.parent().unwrap_or(path);
        let denied = |source: rustix::io::Errno| FolderError::Io {
            action: "listen on",
            path: path.to_owned(),
            source: source.into(),
        };
        rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(denied)?;
        inspect_lock(&Self::lock(path), RUNTIME_DIR)?;
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => Err(FolderError::InTheWay(path.to_owned())),
            _ => Ok(()),
        }
    }

    fn lock(path: &Path) -> PathBuf {
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        lock.into()
    }
}

/// The folder where a service keeps its data, ours until this is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    pub(crate) path: PathBuf,
    lock: File,
}

impl DataFolder {
    /// Takes the folder, and makes it if it is not there. An operator may have put a link in its place,
    /// as systemd does for a `StateDirectory` of a dynamic user; what counts is where it leads.
    ///
    /// # Errors
    /// When another process owns it, when others could write to it, or when it cannot be made.
    pub(crate) fn claim(path: &Path) -> Result<Self, FolderError> {
        let found = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        make_folder(&found, NOT_WRITABLE, DATA_DIR)?;
        let lock = take_lock(&found.join(".lock"), DATA_DIR)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Looks for what would keep `claim` from making the folder, where it is missing; makes nothing.
    ///
    /// # Errors
    /// That of `claim`.
    pub(crate) fn inspect_missing(path: &Path) -> Result<(), FolderError> {
        check_can_make(path)
    }

    /// Lets another process have it.
    pub(crate) fn release(&self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(path = %self.path.display(), %error, "the data folder is locked until the process ends");
        }
    }
}

/// The settings that say where the folders are.
const RUNTIME_DIR: &str = "HECATE_RUNTIME_DIR";
const DATA_DIR: &str = "HECATE_DATA_DIR";

/// The bits of its mode that a folder must not have: others cannot enter, or others cannot write.
const PRIVATE: u32 = 0o077;
const NOT_WRITABLE: u32 = 0o022;

/// Makes a folder of ours that others cannot enter, or finds one whose mode has no bit of `closed`.
/// `variable` is the setting that names it.
fn make_folder(path: &Path, closed: u32, variable: &str) -> Result<(), FolderError> {
    let io = |action| move |source| FolderError::Io { action, path: path.to_owned(), source };
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io("make the folder")(error)),
        _ => check_closed(path, closed, variable),
    }
}

/// Makes a folder of the data folder that others cannot enter, or finds one.
///
/// # Errors
/// When it is not ours, when others could reach into it or put another in its place, or when it cannot be
/// made.
#[cfg(feature = "macula")]
pub(crate) fn make_private(path: &Path) -> Result<(), FolderError> {
    const OTHERS_WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    make_folder(path, PRIVATE, DATA_DIR)?;
    let above = path.parent().unwrap_or(path);
    let io = |source| FolderError::Io { action: "look at the folder", path: above.to_owned(), source };
    // The volumes of Kubernetes belong to a group, which may write to them.
    match std::fs::metadata(above).map_err(io)?.mode() {
        mode if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 => Err(FolderError::Unsafe {
            path: above.to_owned(),
            what: format!("is open to others (mode {:04o})", mode & 0o7777),
            help: format!("chmod o-w {}", above.display()),
        }),
        _ => Ok(()),
    }
}

/// Whether a folder that is missing can be made: in the first one above it that is there.
fn check_can_make(path: &Path) -> Result<(), FolderError> {
    use rustix::fs::Access;
    let above = path.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"));
    let denied = |source: rustix::io::Errno| FolderError::Io {
        action: "make the folder",
        path: path.to_owned(),
        source: source.into(),
    };
    rustix::fs::access(above, Access::WRITE_OK | Access::EXEC_OK).map_err(denied)
}

/// Whether a folder is ours and its mode has no bit of `closed`.
fn check_closed(path: &Path, closed: u32, variable: &str) -> Result<(), FolderError> {
    let io = |action| move |source| FolderError::Io { action, path: path.to_owned(), source };
    let found = std::fs::symlink_metadata(path).map_err(io("look at the folder"))?;
    let refuse = |what: String, help: String| Err(FolderError::Unsafe { path: path.to_owned(), what, help });
    if found.is_symlink() {
        return refuse("is a link".to_owned(), format!("give the folder itself in {variable}"));
    }
    if !found.is_dir() {
        return refuse("is no folder".to_owned(), format!("remove it, or set {variable}"));
    }
    let ours = rustix::process::geteuid().as_raw();
    if found.uid() != ours {
        let what = format!("belongs to user {}, this process runs as {ours}", found.uid());
        return refuse(what, format!("set {variable} to a folder of its own"));
    }
    if found.mode() & closed != 0 {
        let what = format!("is open to others (mode {:04o})", found.mode() & 0o7777);
        return refuse(what, format!("chmod 700 {}", path.display()));
    }
    Ok(())
}

fn take_lock(path: &Path, variable: &'static str) -> Result<File, FolderError> {
    let io = |action| move |source| FolderError::Io { action, path: path.to_owned(), source };
    let open = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(NOFOLLOW)
        .open(path);
    let mut lock = open.map_err(io("open the lock"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(taken(lock, path, variable)),
        Err(TryLockError::Error(error)) => return Err(io("lock")(error)),
    }
    let pid = format!("{}\n", std::process::id());
    let written = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(pid.as_bytes()));
    written.map_err(io("write the lock"))?;
    Ok(lock)
}

/// Whether a lock is held, as far as this user can see.
fn inspect_lock(path: &Path, variable: &'static str) -> Result<(), FolderError> {
    // Shared, so that two that look are no owners to each other.
    match File::open(path) {
        Ok(lock) if matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) => Err(taken(lock, path, variable)),
        _ => Ok(()),
    }
}

/// Names the process that holds a lock, as far as it says so.
fn taken(lock: File, path: &Path, variable: &'static str) -> FolderError {
    let mut pid = String::new();
    let known = lock.take(20).read_to_string(&mut pid).is_ok() && pid.trim().parse::<u32>().is_ok();
    let holder = if known { format!(" ({})", pid.trim()) } else { String::new() };
    FolderError::Taken { lock: path.to_owned(), holder, variable }
}

/// A link in place of a lock would have us write into whatever it points to.
const NOFOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// Only for whoever holds the lock: what is at `path` belongs to a process that is dead.
fn bind(path: &Path) -> Result<UnixListener, FolderError> {
    let io = |action| move |source| FolderError::Io { action, path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path).map_err(io("replace the socket"))?,
        Ok(_) => return Err(FolderError::InTheWay(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io("look at the socket")(error)),
    }
    let listener = UnixListener::bind(path).map_err(io("listen on"))?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(io("protect the socket"))?;
    Ok(listener)
}

/// Removes a file that tells where the service was; one that is gone already is fine.
pub(crate) fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "not removed");
    }
}
