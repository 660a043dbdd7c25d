//! I: who a service is. Its key is made once, is told when it is lost or no key, and is never replaced.

mod certificate;
mod clock;
mod key;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hecate_om_tests::{Launch, Process};

use crate::{assert_ends_well, lab};

/// A service that has an identity, and looks for a key in a folder of its own first.
fn identified() -> Launch {
    let launch = lab().with("HECATE_MESH", "auto");
    let secrets = launch.folder().join("secrets");
    fs::create_dir(&secrets).unwrap();
    set_mode(&secrets, 0o700);
    launch.with("HECATE_SECRETS_DIR", secrets.to_str().unwrap())
}

/// Where it keeps its key.
fn key(launch: &Launch) -> PathBuf {
    launch.folder().join("data/identity/node.key")
}

/// Where it notes which node it was.
fn marker(launch: &Launch) -> PathBuf {
    launch.folder().join("data/identity/node-id")
}

/// Where an operator may put a key.
fn provisioned(launch: &Launch) -> PathBuf {
    launch.folder().join("secrets/node.key")
}

/// The node that a process says that it is.
fn node(process: &Process) -> String {
    process.probe("/info").json()["mesh"]["node"].as_str().unwrap().to_owned()
}

/// Boots it once; returns the node that it was.
fn boot(launch: &Launch) -> String {
    let mut process = launch.clone().ready();
    let node = node(&process);
    assert_ends_well(&mut process);
    node
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn put(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).unwrap();
    set_mode(path, 0o600);
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}
