//! The package whose contracts are asked for: found by cargo, and built with the check of its lock lifted.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hecate_om::contract_lock::{ContractLock, FILE};
use serde_json::Value;

use super::program::{contract_of, is_service};
use crate::failure::{DATA, Failure, NO_INPUT, SOFTWARE};

/// Has the macros pass over the lock; cargo tracks it.
const LIFTED: (&str, &str) = ("BUILD_HECATE_CONTRACT_LOCK", "lifted");

/// A package and where cargo builds it.
#[derive(Debug)]
pub(crate) struct Package {
    name: String,
    folder: PathBuf,
    target: PathBuf,
    build: PathBuf,
}

impl Package {
    /// The package of a folder, or the one of that name in the workspace there.
    pub(crate) fn find(folder: &Path, name: Option<&str>) -> Result<Self, Failure> {
        let mut cargo = cargo();
        cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(folder);
        let output = cargo.stdin(Stdio::null()).output().map_err(|error| no_cargo(&error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.trim().trim_start_matches("error: ");
            return Err(Failure::new(NO_INPUT, format!("no package here: {said}"))
                .help("run it in the folder of a service, or name that: `--folder my-service`"));
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| Failure::new(SOFTWARE, format!("`cargo metadata` printed no JSON: {error}")))?;
        Self::of_metadata(&metadata, &folder.canonicalize().unwrap_or_else(|_| folder.to_owned()), name)
    }

    fn of_metadata(metadata: &Value, folder: &Path, name: Option<&str>) -> Result<Self, Failure> {
        let path = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(PathBuf::from);
        let packages: Vec<(&str, PathBuf)> = metadata["packages"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|package| {
                Some((package["name"].as_str()?, path(package, "manifest_path")?.parent()?.to_owned()))
            })
            .collect();
        let found = match name {
            Some(name) => packages.iter().find(|(other, _)| *other == name),
            // The innermost one around the folder.
            None => packages
                .iter()
                .filter(|(_, other)| folder.starts_with(other))
                .max_by_key(|(_, other)| other.components().count()),
        };
        let (Some((name, folder)), Some(target)) = (found, path(metadata, "target_directory")) else {
            let names: Vec<&str> = packages.iter().map(|(name, _)| *name).collect();
            let what = name.map_or("this folder is no package's".to_owned(), |name| format!("no package `{name}`"));
            return Err(Failure::new(NO_INPUT, what).help(format!("name one with `-p`: {}", names.join(", "))));
        };
        let build = path(metadata, "build_directory").unwrap_or_else(|| target.clone());
        Ok(Self { name: (*name).to_owned(), folder: folder.clone(), target, build })
    }

    /// Where its lock is, or should be.
    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// What the services promise that its programs run now.
    pub(crate) fn contracts(&self, arguments: &[OsString]) -> Result<ContractLock, Failure> {
        let mut contracts = ContractLock::default();
        for program in self.programs(arguments)? {
            if is_service(&program)? {
                contracts.services.extend(contract_of(&program)?.services);
            }
        }
        if contracts.services.is_empty() {
            let what = format!("no program of package `{}` runs a service", self.name);
            return Err(Failure::new(DATA, what).help("give it a `main` that is `hecate_om::run::<MyService>()`"));
        }
        Ok(contracts)
    }

    /// Builds its programs, into a folder of their own: what breaks the lock is built there and nowhere else. What
    /// they depend on is shared with every other build.
    fn programs(&self, arguments: &[OsString]) -> Result<Vec<PathBuf>, Failure> {
        let mut cargo = cargo();
        cargo.args(["build", "--bins", "--message-format", "json-render-diagnostics", "--manifest-path"]);
        cargo.arg(self.folder.join("Cargo.toml")).args(["-p", &self.name]).args(arguments);
        if !io::stderr().is_terminal() {
            cargo.arg("--quiet");
        }
        cargo.env("CARGO_TARGET_DIR", self.target.join("hecate-lock")).env("CARGO_BUILD_BUILD_DIR", &self.build);
        cargo.env(LIFTED.0, LIFTED.1).stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = cargo.output().map_err(|error| no_cargo(&error))?;
        if !output.status.success() {
            let what = format!("package `{}` does not build: {}", self.name, output.status);
            return Err(Failure::new(SOFTWARE, what).help("mend what cargo says above; the lock is as it was"));
        }
        let lines = output.stdout.split(|byte| *byte == b'\n');
        let messages = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        Ok(messages.filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from)).collect())
    }
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn no_cargo(error: &io::Error) -> Failure {
    Failure::new(SOFTWARE, format!("cargo does not run: {error}")).help("install it from https://rustup.rs")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_package_is_the_innermost_one_or_the_one_that_is_named() {
        let metadata = json!({"target_directory": "/w/target", "packages": [
            {"name": "w", "manifest_path": "/w/Cargo.toml"}, {"name": "a", "manifest_path": "/w/a/Cargo.toml"},
        ]});
        let find = |folder: &str, name| Package::of_metadata(&metadata, Path::new(folder), name);
        assert_eq!(find("/w/a/src", None).unwrap().lock(), Path::new("/w/a/contract.lock.json"));
        assert_eq!(find("/w/b", None).unwrap().name, "w");
        assert_eq!(find("/w/a", Some("w")).unwrap().folder, Path::new("/w"));
        assert_eq!(find("/w", Some("b")).unwrap_err().exit_code(), NO_INPUT);
        let told = find("/elsewhere", None).unwrap_err().told(false);
        assert!(told.contains("name one with `-p`: w, a"), "{told}");
    }
}
