//! What the generated test of a service finds when its package has a `contract.lock.json`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::compare::changes_of_service;
use super::document::{ContractLock, FILE, MAX_BYTES};

/// Sources that are looked through for the name of a service; a package with more is not.
const MOST_SOURCES: usize = 10_000;
/// Folders in folders.
const DEEPEST: usize = 20;

/// What is not as the lock in `folder` says; nothing where there is none. `linked` are the services of this program.
pub(crate) fn problems(folder: &Path, service: &str, contract: &str, linked: &[&str]) -> Vec<String> {
    let path = folder.join(FILE);
    let text = match text(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => return vec![format!("`{}` cannot be read: {error}", path.display())],
    };
    let lock = match ContractLock::parse(&text) {
        Ok(lock) => lock,
        Err(faults) => {
            let help = "help: take it back from version control, or remove it and run `hecate-om lock`";
            return faults.iter().map(|fault| format!("`{}`: {fault}; {help}", path.display())).collect();
        }
    };
    let mut problems = orphans(folder, &lock, linked);
    let now = match ContractLock::of_contract(contract) {
        Ok(now) => now,
        Err(faults) => {
            problems.extend(faults.iter().map(|fault| format!("its own contract: {fault}")));
            return problems;
        }
    };
    if let (Some(old), Some(new)) = (lock.services.get(service), now.services.get(service)) {
        let breaking = changes_of_service(service, old, new).into_iter().filter(|change| change.breaking);
        let breaking: Vec<String> = breaking.map(|change| change.to_string()).collect();
        if !breaking.is_empty() {
            problems.extend(breaking);
            problems.push(
                "these break the promise of `contract.lock.json`; help: undo them, or leave this version as it is and \
                 add the next one beside it, or run `hecate-om lock --accept-breaking` if no caller needs it as it was"
                    .to_owned(),
            );
        }
    }
    problems
}

/// A text of a size that a contract can have.
fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One more than is allowed: the parser refuses it by its size.
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// Services of the lock that no block of the package declares. A program knows those that it links, and there may be
/// other programs in the package: what none has, no source names.
fn orphans(folder: &Path, lock: &ContractLock, linked: &[&str]) -> Vec<String> {
    let mut missing: Vec<&String> = lock.services.keys().filter(|name| !linked.contains(&name.as_str())).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let Some(sources) = sources(folder) else { return Vec::new() };
    for source in sources {
        let Ok(text) = text(&source) else { continue };
        missing.retain(|name| !text.contains(&format!("\"{name}\"")));
    }
    let told = missing.into_iter().map(|name| {
        format!(
            "service `{name}` is in `contract.lock.json`, and no source of the package names it; help: put it back, or \
             run `hecate-om lock --accept-breaking` if nobody calls it any more"
        )
    });
    told.collect()
}

/// The Rust files of a package without those of packages in it; nothing where they are too many to tell.
fn sources(folder: &Path) -> Option<Vec<PathBuf>> {
    let (mut sources, mut folders) = (Vec::new(), vec![(folder.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(folder).ok()? {
            let entry = entry.ok()?;
            let (path, kind) = (entry.path(), entry.file_type().ok()?);
            let is_hidden = path.file_name().and_then(OsStr::to_str).is_none_or(|name| name.starts_with('.'));
            if kind.is_dir() && !is_hidden && !path.join("Cargo.toml").exists() && !path.join("CACHEDIR.TAG").exists() {
                if depth == DEEPEST {
                    return None;
                }
                folders.push((path, depth + 1));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(path);
            }
            if sources.len() + folders.len() > MOST_SOURCES {
                return None;
            }
        }
    }
    Some(sources)
}
