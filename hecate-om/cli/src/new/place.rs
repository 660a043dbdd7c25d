//! The folder of a new project: all of its files are there in the end, or none.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{CANNOT_CREATE, Failure, IO};

/// A file of the new project, by its path in it.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// An empty place for a project.
#[derive(Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    /// What is there, if only a repository without files, stays.
    is_there: bool,
}

impl Place {
    /// Looks at `path`, or else at a folder of this name here; a checkout that is called so and is empty is the place
    /// itself.
    ///
    /// # Errors
    /// Something is in the way, and what.
    pub(crate) fn find(path: Option<&Path>, name: &str) -> Result<Self, Failure> {
        let here =
            env::current_dir().map_err(|error| Failure::new(IO, format!("where this is cannot be told: {error}")))?;
        let folder = match path {
            Some(path) => here.join(path),
            None if here.file_name().is_some_and(|found| found == name) && in_the_way(&here)?.is_none() => here,
            None => here.join(name),
        };
        let there = match fs::symlink_metadata(&folder) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::new(IO, format!("{} cannot be looked at: {error}", folder.display()))),
        };
        let help = "choose another name or `--path`, or move it away";
        if there.is_some() && !folder.is_dir() {
            let what = format!("{} is in the way, and nothing was written", folder.display());
            return Err(Failure::new(CANNOT_CREATE, what).help(help));
        }
        if there.is_some()
            && let Some(found) = in_the_way(&folder)?
        {
            let what = format!(
                "{} is not empty: {} is in the way, and nothing was written",
                folder.display(),
                found.display()
            );
            return Err(Failure::new(CANNOT_CREATE, what).help(help));
        }
        Ok(Self { folder, is_there: there.is_some() })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether Cargo would take the project for a member of a workspace that does not know it.
    pub(crate) fn is_below_a_workspace(&self) -> bool {
        self.folder.ancestors().skip(1).any(|above| {
            let document = fs::read_to_string(above.join("Cargo.toml")).ok().and_then(|text| text.parse().ok());
            document.is_some_and(|document: toml::Table| document.contains_key("workspace"))
        })
    }

    /// Writes all files, or leaves nothing behind.
    ///
    /// # Errors
    /// One of them cannot be written.
    pub(crate) fn fill(&self, files: &[Rendered]) -> Result<(), Failure> {
        let failed = |error: io::Error| {
            let what = format!("the project cannot be written to {}: {error}", self.folder.display());
            Failure::new(CANNOT_CREATE, what).help("nothing was left behind")
        };
        let above = if self.is_there { &self.folder } else { self.folder.parent().unwrap_or(&self.folder) };
        if !above.is_dir() {
            let what = format!("there is no folder {}", above.display());
            return Err(Failure::new(CANNOT_CREATE, what).help("make it first, or choose another `--path`"));
        }
        let temporary = Temporary::new(above).map_err(failed)?;
        for file in files {
            let path = temporary.0.join(&file.path);
            path.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
            fs::write(&path, &file.text).map_err(failed)?;
        }
        if !self.is_there {
            // `rename` would take the place of an empty folder that somebody made meanwhile; of nothing else.
            return fs::rename(&temporary.0, &self.folder).map_err(failed);
        }
        let mut moved = Moved::default();
        let entries: io::Result<Vec<_>> = fs::read_dir(&temporary.0).map_err(failed)?.collect();
        let mut names: Vec<_> = entries.map_err(failed)?.iter().map(fs::DirEntry::file_name).collect();
        names.sort();
        for name in names {
            let to = self.folder.join(&name);
            if to.symlink_metadata().is_ok() {
                let what = format!("{} has come in the way, and nothing was left behind", to.display());
                return Err(Failure::new(CANNOT_CREATE, what));
            }
            fs::rename(temporary.0.join(&name), &to).map_err(failed)?;
            moved.0.push(to);
        }
        moved.0.clear();
        Ok(())
    }
}

/// What would be in the way of a project; a repository without files is not.
fn in_the_way(folder: &Path) -> Result<Option<PathBuf>, Failure> {
    let failed = |error| Failure::new(IO, format!("{} cannot be looked into: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name() != ".git" {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found.into_iter().next())
}

/// A folder that goes when nobody moved it.
struct Temporary(PathBuf);

impl Temporary {
    fn new(above: &Path) -> io::Result<Self> {
        let path = above.join(format!(".hecate-om-new.{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What was moved to its place, to be taken back unless all of it was.
#[derive(Default)]
struct Moved(Vec<PathBuf>);

impl Drop for Moved {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Vec<Rendered> {
        paths.iter().map(|path| Rendered { path: (*path).to_owned(), text: "x".to_owned() }).collect()
    }

    fn listed(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_folder_has_every_file() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("made");
        Place::find(Some(&folder), "made").unwrap().fill(&files(&["a", "b/c"])).unwrap();
        assert_eq!(
            (listed(above.path()), listed(&folder)),
            (vec!["made".to_owned()], vec!["a".to_owned(), "b".to_owned()])
        );
    }

    #[test]
    fn a_repository_without_files_is_a_place() {
        let above = tempfile::tempdir().unwrap();
        fs::create_dir(above.path().join(".git")).unwrap();
        Place::find(Some(above.path()), "made").unwrap().fill(&files(&["a", "b/c"])).unwrap();
        assert_eq!(listed(above.path()), [".git", "a", "b"]);
    }

    #[test]
    fn what_is_in_the_way_is_named_and_stays_as_it_is() {
        let above = tempfile::tempdir().unwrap();
        fs::write(above.path().join("notes.txt"), "mine").unwrap();
        let told = Place::find(Some(above.path()), "made").unwrap_err().told(false);
        assert!(told.contains("notes.txt is in the way"), "{told}");
        let told = Place::find(Some(&above.path().join("notes.txt")), "made").unwrap_err().told(false);
        assert!(told.contains("notes.txt is in the way"), "{told}");
        let dangling = above.path().join("link");
        std::os::unix::fs::symlink("/nonexistent", &dangling).unwrap();
        assert!(Place::find(Some(&dangling), "made").is_err());
        assert_eq!(listed(above.path()), ["link", "notes.txt"]);
    }

    #[test]
    fn half_of_a_project_is_none() {
        let above = tempfile::tempdir().unwrap();
        // The second file cannot be written: its folder is a file.
        let folder = above.path().join("made");
        let place = Place::find(Some(&folder), "made").unwrap();
        assert!(place.fill(&files(&["a", "a/b"])).is_err());
        assert_eq!(listed(above.path()), [""; 0]);
        // Something comes in the way after it was looked for.
        fs::create_dir(&folder).unwrap();
        let place = Place::find(Some(&folder), "made").unwrap();
        fs::write(folder.join("b"), "mine").unwrap();
        let told = place.fill(&files(&["a", "b", "c"])).unwrap_err().told(false);
        assert!(told.contains("in the way"), "{told}");
        assert_eq!(listed(&folder), ["b"]);
        assert_eq!(fs::read_to_string(folder.join("b")).unwrap(), "mine");
    }

    #[test]
    fn the_folder_above_has_to_be_there() {
        let above = tempfile::tempdir().unwrap();
        let place = Place::find(Some(&above.path().join("no/made")), "made").unwrap();
        let told = place.fill(&files(&["a"])).unwrap_err().told(false);
        assert!(told.contains("there is no folder"), "{told}");
        assert_eq!(listed(above.path()), [""; 0]);
    }
}
