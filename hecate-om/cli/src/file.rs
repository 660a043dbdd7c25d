//! A file of a project that is written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::failure::{CANNOT_CREATE, Failure};

/// Puts a text into the place of what is there, with the mode that it had; where nothing is, with the folders above.
///
/// # Errors
/// It cannot be written; what was there is as it was.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    written(path, &temporary, text).map_err(|error| {
        let _ = fs::remove_file(&temporary);
        Failure::new(CANNOT_CREATE, format!("cannot write {}: {error}", path.display()))
    })
}

fn written(path: &Path, temporary: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    let mut file = File::create_new(temporary)?;
    file.write_all(text.as_bytes())?;
    if let Ok(found) = fs::metadata(path) {
        file.set_permissions(found.permissions())?;
    }
    file.sync_all()?;
    fs::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.rs");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        replace(&folder.path().join("deploy/k8s.yml"), "old").unwrap();
        // What is written over step by step is so under its other name, too.
        fs::hard_link(folder.path().join("deploy/k8s.yml"), folder.path().join("deploy/other")).unwrap();
        replace(&folder.path().join("deploy/k8s.yml"), "made").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("deploy/k8s.yml")).unwrap(), "made");
        assert_eq!(fs::read_to_string(folder.path().join("deploy/other")).unwrap(), "old");
        // What stands there cannot be replaced, and the folder of the other is a file.
        for path in [folder.path().join("deploy"), folder.path().join("deploy/k8s.yml/lock")] {
            assert_eq!(replace(&path, "new").unwrap_err().exit_code(), CANNOT_CREATE);
        }
        assert_eq!(fs::read_to_string(folder.path().join("deploy/k8s.yml")).unwrap(), "made");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
