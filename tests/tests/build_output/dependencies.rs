//! What every throw-away package needs compiled: hecate-om and all below it, once, for `cargo build`
//! and for `cargo check`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::package::{Package, cargo_toml};

/// Where things stay from run to run. Inside the checkout's target folder, so on one file system.
pub(crate) fn kept_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("build_output").join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

static COMPILED: LazyLock<PathBuf> = LazyLock::new(|| {
    let package = Package::at(&kept_folder("dependencies"));
    package.write("Cargo.toml", &cargo_toml("dependencies"));
    package.write("src/lib.rs", "");
    package.write("build.rs", "fn main() {}");
    for command in ["build", "check"] {
        package.cargo(command, &[]);
    }
    package.path("target/debug")
});

/// Lays out `<target>/debug` so that cargo finds the dependencies compiled.
pub(crate) fn provide(target: &Path) {
    for part in [".fingerprint", "build", "deps"] {
        copy(&COMPILED.join(part), &target.join("debug").join(part)).unwrap();
    }
}

/// Copies a folder with its times, which cargo compares.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to)?;
        } else if from.extension().is_some_and(|kind| ["rlib", "rmeta", "so"].iter().any(|large| kind == *large)) {
            // Large, and never written in place: rustc and the linker put new ones beside them.
            fs::hard_link(&from, &to)?;
        } else {
            fs::copy(&from, &to)?;
            File::options().append(true).open(&to)?.set_modified(from.metadata()?.modified()?)?;
        }
    }
    Ok(())
}
