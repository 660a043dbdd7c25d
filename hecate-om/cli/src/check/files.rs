//! The folders and keys of this box that others must not reach.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hecate_om::outside::Outside;

use super::Findings;

/// How many files of a folder are looked at.
const MOST_FILES: usize = 1000;

pub(super) fn look(findings: &mut Findings) {
    // What is wrong with settings is told.
    let Ok(outside) = Outside::from_env() else { return };
    folder("runtime folder", outside.runtime_dir(), 0o077, "chmod 700", findings);
    let station = outside.station_folder();
    folder("station", &station, 0o077, "chmod 700", findings);
    keys("station", &station, findings);
    // A mounted secret may belong to root, and be its group's to read.
    folder("secrets folder", outside.secrets_dir(), 0o022, "chmod go-w", findings);
    keys("secrets folder", outside.secrets_dir(), findings);
}

/// A folder, if it is there, whose mode has no bit of `closed`.
fn folder(subject: &str, path: &Path, closed: u32, fix: &str, findings: &mut Findings) {
    let shown = path.display();
    let Ok(found) = std::fs::symlink_metadata(path) else {
        findings.ok(subject, &format!("{shown} is not there yet"));
        return;
    };
    let mode = found.mode() & 0o7777;
    // The link of a mounted secret leads where it was put.
    if found.is_symlink() && closed == 0o077 {
        findings.error(subject, &format!("{shown} is a link"), "give the folder itself in HECATE_RUNTIME_DIR");
    } else if found.is_dir() && mode & closed != 0 {
        findings.error(subject, &format!("{shown} is open to others (mode {mode:04o})"), &format!("{fix} {shown}"));
    } else {
        findings.ok(subject, &format!("{shown} (mode {mode:04o})"));
    }
}

/// Files of a folder that hold keys and tokens: nobody else may read them.
fn keys(subject: &str, path: &Path, findings: &mut Findings) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten().take(MOST_FILES) {
        let path = entry.path();
        let is_key = path.extension().is_some_and(|kind| kind == "key" || kind == "ucan" || kind == "token");
        let Some(found) = std::fs::metadata(&path).ok().filter(|found| is_key && found.is_file()) else { continue };
        let mode = found.mode() & 0o7777;
        if mode & 0o004 != 0 {
            let what = format!("{} can be read by everybody (mode {mode:04o})", path.display());
            findings.error(subject, &what, &format!("chmod 600 {}", path.display()));
        }
    }
}
