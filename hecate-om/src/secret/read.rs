//! Reads the file of a secret: opened once, judged by what was opened, never by its path.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgroups};
use zeroize::{Zeroize, Zeroizing};

use super::error::Wrong;
use super::permission::{Facts, Verdict, is_replaceable};

/// The largest file that may be a secret.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// Where container engines mount secrets; a link may lead there.
const MOUNTED: &str = "/run/secrets";

/// How often a link is followed again because what it led to was replaced meanwhile.
const TRIES: u32 = 3;

/// Reads the secret of that name.
pub(super) fn read(folder: &Path, name: &str) -> Result<Zeroizing<String>, Wrong> {
    let path = folder.join(name);
    let file = open(folder, &path)?;
    judge(&file, &path)?;
    text(file, &path)
}

/// Reads a secret that is no text, such as a key.
#[cfg(feature = "macula")]
pub(super) fn bytes(folder: &Path, name: &str) -> Result<Zeroizing<Vec<u8>>, Wrong> {
    let path = folder.join(name);
    let file = open(folder, &path)?;
    judge(&file, &path)?;
    content_of(file, &path)
}

/// Reads a file beside the secrets that everybody may read, such as a certificate.
#[cfg(feature = "macula")]
pub(super) fn public(folder: &Path, name: &str) -> Result<Vec<u8>, Wrong> {
    let path = folder.join(name);
    let file = open(folder, &path)?;
    let found = rustix::fs::fstat(&file);
    let found = found.map_err(|error| Wrong::Io { action: "look at", path: path.clone(), source: error.into() })?;
    if !FileType::from_raw_mode(found.st_mode).is_file() {
        return Err(no_file(&path));
    }
    content_of(file, &path).map(|mut bytes| std::mem::take(&mut *bytes))
}

/// A link is followed only to where secrets are: within the folder, as in the volumes of Kubernetes,
/// or to where container engines mount them.
fn open(folder: &Path, path: &Path) -> Result<File, Wrong> {
    let mut tries = 0;
    loop {
        tries += 1;
        let Some(file) = open_unless_link(path, path)? else {
            let target = match std::fs::canonicalize(path) {
                Ok(target) => target,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Wrong::Missing(path.to_owned())),
                Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
                    return Err(content(path, "is a link that leads in circles", "put the file itself there"));
                }
                Err(source) => return Err(Wrong::Io { action: "follow", path: path.to_owned(), source }),
            };
            let is_inside = |home: &Path| std::fs::canonicalize(home).is_ok_and(|home| target.starts_with(home));
            if !is_inside(folder) && !is_inside(Path::new(MOUNTED)) {
                return Err(Wrong::Permission {
                    what: format!("is a link out of its folder, to {}", target.display()),
                    help: "put the file itself there".to_owned(),
                    path: path.to_owned(),
                });
            }
            match open_unless_link(&target, path) {
                Ok(Some(file)) => return Ok(file),
                // Replaced since the link was read, as Kubernetes does for an update.
                Ok(None) | Err(Wrong::Missing(_)) if tries < TRIES => continue,
                Ok(None) => return Err(Wrong::Missing(path.to_owned())),
                Err(wrong) => return Err(wrong),
            }
        };
        return Ok(file);
    }
}

/// Opens a file by way of its folder, so that the folder which is judged is the one that is used.
/// `shown` is the path that an operator knows it by.
fn open_unless_link(path: &Path, shown: &Path) -> Result<Option<File>, Wrong> {
    let io = |action| move |error: Errno| Wrong::Io { action, path: shown.to_owned(), source: error.into() };
    let folder = path.parent().unwrap_or(path);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent: OwnedFd = match rustix::fs::open(folder, flags, Mode::empty()) {
        Ok(parent) => parent,
        Err(Errno::NOENT) => return Err(Wrong::Missing(shown.to_owned())),
        Err(Errno::ACCESS) => return Err(unreadable(shown)),
        Err(Errno::NOTDIR) => {
            return Err(content(shown, "is in no folder", "set HECATE_SECRETS_DIR to a folder"));
        }
        Err(error) => return Err(io("open the folder of")(error)),
    };
    let mode = rustix::fs::fstat(&parent).map_err(io("look at the folder of"))?.st_mode;
    if is_replaceable(mode) {
        let what = format!("is in a folder that others can write to (mode {:04o})", mode & 0o7777);
        let help = format!("chmod go-w {}", folder.display());
        return Err(Wrong::Permission { path: shown.to_owned(), what, help });
    }
    // NONBLOCK: to open a pipe would wait for whoever writes to it.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let name = path.file_name().unwrap_or(OsStr::new("."));
    match rustix::fs::openat(&parent, name, flags, Mode::empty()) {
        Ok(file) => Ok(Some(File::from(file))),
        Err(Errno::LOOP) => Ok(None),
        Err(Errno::NOENT) => Err(Wrong::Missing(shown.to_owned())),
        Err(Errno::ACCESS | Errno::PERM) => Err(unreadable(shown)),
        // What opening a socket, or a device that is not there, says.
        Err(Errno::NXIO | Errno::NODEV) => Err(no_file(shown)),
        Err(error) => Err(io("open")(error)),
    }
}

fn unreadable(path: &Path) -> Wrong {
    let user = geteuid().as_raw();
    Wrong::Permission {
        path: path.to_owned(),
        what: format!("is not readable by this process, which runs as user {user}"),
        help: format!("chown {user} {}", path.display()),
    }
}

fn no_file(path: &Path) -> Wrong {
    content(path, "is no regular file", "put a file there")
}

fn content(path: &Path, what: impl Into<String>, help: &'static str) -> Wrong {
    Wrong::Content { path: path.to_owned(), what: what.into(), help }
}

fn judge(file: &File, path: &Path) -> Result<(), Wrong> {
    let io = |error: Errno| Wrong::Io { action: "look at", path: path.to_owned(), source: error.into() };
    let found = rustix::fs::fstat(file).map_err(io)?;
    if !FileType::from_raw_mode(found.st_mode).is_file() {
        return Err(no_file(path));
    }
    let mount = rustix::fs::fstatvfs(file).map_err(io)?;
    let mut groups: Vec<u32> = getgroups().map_err(io)?.into_iter().map(|group| group.as_raw()).collect();
    groups.push(getegid().as_raw());
    let facts = Facts {
        mode: found.st_mode,
        owner: found.st_uid,
        group: found.st_gid,
        read_only: mount.f_flag.contains(StatVfsMountFlags::RDONLY),
        user: geteuid().as_raw(),
        groups,
    };
    let shown = path.display();
    match facts.judge() {
        Verdict::Private => {}
        Verdict::SharedWithGroup => {
            tracing::info!(secret = %shown, group = facts.group, "a secret is readable by a group of this process");
        }
        Verdict::Public => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let help = format!("Secret={name},type=mount,mode=0400,uid={}", facts.user);
            tracing::warn!(secret = %shown, help, "a secret is readable by every user in this container");
        }
        Verdict::Refused { what, help } => {
            return Err(Wrong::Permission { path: path.to_owned(), what, help: format!("{help} {shown}") });
        }
    }
    Ok(())
}

/// What the file holds. Nothing that was read stays behind in memory.
fn content_of(mut file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, Wrong> {
    // Of its full size from the start: one that grows would leave copies behind.
    let mut buffer = Zeroizing::new(vec![0; MAX_BYTES + 1]);
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Wrong::Io { action: "read", path: path.to_owned(), source }),
        }
    }
    if length > MAX_BYTES {
        return Err(content(path, "is larger than 64 KiB", "is it the right file?"));
    }
    buffer.truncate(length);
    Ok(buffer)
}

/// The text of the file, without one line end.
fn text(file: File, path: &Path) -> Result<Zeroizing<String>, Wrong> {
    let buffer = content_of(file, path)?;
    let bytes = buffer.as_slice();
    let bytes = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
    if bytes.is_empty() {
        return Err(content(path, "is empty", "write the secret into it"));
    }
    if bytes.contains(&0) {
        return Err(content(path, "holds NUL bytes", "store it as text, such as base64"));
    }
    match String::from_utf8(bytes.to_vec()) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(content(path, "is no UTF-8 text", "store it as text, such as base64"))
        }
    }
}
