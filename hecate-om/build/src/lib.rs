//! One line in `build.rs` that keeps a service's `manifest.json` in the build output.
//!
//! ```no_run
//! // All of `main` in build.rs:
//! hecate_om_build::manifest();
//! ```
//!
//! Without it, `#[hecate_service]` writes `<build dir>/<profile>/hecate/<name>.manifest.json` whenever
//! rustc compiles the service. With it, the file also comes back when somebody deletes it, and is
//! written when a compiler cache answers instead of rustc. No dependencies: it compiles in no time.
//!
//! The file is a copy; what was built is told by the record in the binary. They differ when a compiler
//! cache runs under `cargo check`, which the macro cannot tell from a build; and a service that is
//! renamed leaves the file of its old name, as all build output does.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What `#[hecate_service]` reads the folder from.
const FOLDER_VARIABLE: &str = "BUILD_HECATE_MANIFEST_FOLDER";

/// Tells `#[hecate_service]` where the build output is, and cargo to build anew when a manifest goes.
///
/// Never fails a build: a folder that cannot be had is a warning of cargo's, and the manifest is
/// still in the binary.
pub fn manifest() {
    let Some(folder) = env::var_os("OUT_DIR").and_then(|out_dir| folder_of(Path::new(&out_dir))) else {
        println!(
            "cargo::warning=hecate-om: OUT_DIR is not what cargo sets, so manifest.json is not kept in the build output"
        );
        return;
    };
    if let Err(error) = prepare(&folder) {
        println!("cargo::warning=hecate-om: manifest.json is not kept in {}: {error}", folder.display());
        return;
    }
    println!("cargo::rerun-if-changed={}", folder.display());
    println!("cargo::rustc-env={FOLDER_VARIABLE}={}", folder.display());
}

/// `target/debug/hecate` for `target/debug/build/package-0123/out`, and for `target/debug/build/package/0123/out`, to
/// which cargo is moving.
fn folder_of(out_dir: &Path) -> Option<PathBuf> {
    // The outermost of those that cargo makes: the package may be called `build`, too.
    let build = out_dir.ancestors().take(4).filter(|folder| folder.ends_with("build")).last()?;
    Some(build.parent()?.join("hecate"))
}

/// Makes the folder, older than any build: cargo must not take our own writing for a change.
fn prepare(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    File::open(folder)?.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_stands_beside_what_was_built() {
        let folder = |out_dir| folder_of(Path::new(out_dir)).map(|folder| folder.to_string_lossy().into_owned());
        assert_eq!(folder("/t/debug/build/echo-01/out").as_deref(), Some("/t/debug/hecate"));
        assert_eq!(folder("/build/t/release/build/echo/01/out").as_deref(), Some("/build/t/release/hecate"));
        assert_eq!(folder("/build/debug/build/build/01/out").as_deref(), Some("/build/debug/hecate"));
        assert_eq!(folder("/elsewhere/out"), None);
    }
}
