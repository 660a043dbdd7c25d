//! The package of a folder: what cargo says of it, what it builds, and what it takes from elsewhere.

mod build;
mod source;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use hecate_om::contract_lock::FILE;
use serde::Deserialize;

use crate::failure::{DATA, Failure, NO_INPUT, SOFTWARE};

pub(crate) use build::{How, Service};
pub(crate) use source::OmSource;

/// Which package is meant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Which {
    /// The Cargo.toml of the package; without it, that of this folder or of the nearest above it.
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// The package of this name, in the same workspace.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) package: Option<String>,
}

/// A package.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) package: String,
    /// Its Cargo.toml.
    pub(crate) cargo_toml: PathBuf,
    /// The lowest compiler that it says it builds with.
    pub(crate) rust_version: Option<String>,
    /// The folder of the workspace, with the lock file.
    pub(crate) workspace: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    /// Its build script, by its path in the folder of the package.
    pub(crate) build_script: Option<PathBuf>,
    /// The names of its library and programs, as the compiler knows them.
    crates: Vec<String>,
    /// Where cargo puts what it builds.
    target: PathBuf,
    /// Where it puts what lies below that.
    build: PathBuf,
}

/// What a package depends on.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `build` or `dev`; none for what is linked.
    pub(crate) kind: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
    build_directory: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    rust_version: Option<String>,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    src_path: PathBuf,
}

/// The dependency that makes a package one of a service.
const RUNTIME: &str = "hecate-om";

impl Project {
    /// The package that is meant: that of a Cargo.toml, by default the one in this folder or the nearest above it, or
    /// another one of its workspace.
    ///
    /// # Errors
    /// When there is none, when cargo cannot read it, and when it is that of a workspace alone.
    pub(crate) fn find(which: &Which) -> Result<Self, Failure> {
        let cargo_toml = match which.manifest_path.as_deref() {
            Some(path) if path.is_dir() => path.join("Cargo.toml"),
            Some(path) => path.to_owned(),
            None => nearest()?,
        };
        let cargo_toml = std::fs::canonicalize(&cargo_toml).map_err(|error| {
            Failure::new(NO_INPUT, format!("cannot read {}: {error}", cargo_toml.display()))
                .help("give the path of a Cargo.toml with --manifest-path")
        })?;
        let told = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(&cargo_toml)
            .output()
            .map_err(|error| no_cargo(&error))?;
        if !told.status.success() {
            let why = String::from_utf8_lossy(&told.stderr).trim().to_owned();
            return Err(Failure::new(DATA, format!("cargo cannot read {}:\n{why}", cargo_toml.display())));
        }
        let metadata: Metadata = serde_json::from_slice(&told.stdout)
            .map_err(|error| Failure::new(SOFTWARE, format!("cargo tells what is not understood: {error}")))?;
        Self::of_metadata(metadata, &cargo_toml, which.package.as_deref())
    }

    fn of_metadata(metadata: Metadata, cargo_toml: &Path, name: Option<&str>) -> Result<Self, Failure> {
        let names: Vec<String> = metadata.packages.iter().map(|package| package.name.clone()).collect();
        let of_service = metadata.packages.iter().find(|package| is_of_service(&package.dependencies));
        let of_service = of_service.map(|package| package.name.clone());
        let is_meant = |package: &Package| match name {
            Some(name) => package.name == name,
            None => package.manifest_path == cargo_toml,
        };
        let Some(package) = metadata.packages.into_iter().find(is_meant) else {
            let what = match name {
                Some(name) => format!("there is no package `{}` in {}", name.escape_debug(), cargo_toml.display()),
                None => format!("{} is that of a workspace, and of no package", cargo_toml.display()),
            };
            let help = match of_service {
                Some(first) => format!("name one of its packages, such as `-p {first}`: {}", names.join(", ")),
                None if names.is_empty() => "give the Cargo.toml of a package with --manifest-path".to_owned(),
                None => format!("name one of its packages with `-p`: {}", names.join(", ")),
            };
            return Err(Failure::new(DATA, what).help(help));
        };
        let is_script = |target: &&Target| target.kind.iter().any(|kind| kind == "custom-build");
        let build_script =
            package.targets.iter().find(is_script).and_then(|target| {
                target.src_path.strip_prefix(package.manifest_path.parent()?).ok().map(Path::to_owned)
            });
        let is_linked = |target: &&Target| target.kind.iter().any(|kind| kind == "bin" || kind.ends_with("lib"));
        Ok(Self {
            package: package.name,
            cargo_toml: package.manifest_path,
            rust_version: package.rust_version,
            workspace: metadata.workspace_root,
            dependencies: package.dependencies,
            build_script,
            crates: package.targets.iter().filter(is_linked).map(|target| target.name.replace('-', "_")).collect(),
            build: metadata.build_directory.unwrap_or_else(|| metadata.target_directory.clone()),
            target: metadata.target_directory,
        })
    }

    /// The folder of the package.
    pub(crate) fn folder(&self) -> &Path {
        self.cargo_toml.parent().unwrap_or(&self.cargo_toml)
    }

    /// Where the lock of its contracts is, or should be.
    pub(crate) fn contract_lock(&self) -> PathBuf {
        self.folder().join(FILE)
    }

    /// Whether it depends on the runtime.
    pub(crate) fn is_of_service(&self) -> bool {
        is_of_service(&self.dependencies)
    }
}

fn is_of_service(dependencies: &[Dependency]) -> bool {
    dependencies.iter().any(|used| used.name == RUNTIME && used.kind.is_none())
}

/// The Cargo.toml of this folder, or of the nearest above it.
fn nearest() -> Result<PathBuf, Failure> {
    let folder = std::env::current_dir()
        .map_err(|error| Failure::new(NO_INPUT, format!("the current folder cannot be found: {error}")))?;
    let found = folder.ancestors().map(|above| above.join("Cargo.toml")).find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::new(NO_INPUT, format!("there is no Cargo.toml in {} nor above it", folder.display())).help(
            "go into the folder of a service, give its Cargo.toml with --manifest-path, or make one: \
                 `hecate-om new NAME`",
        )
    })
}

/// The cargo that runs this program, if one does. It asks nobody.
fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.stdin(Stdio::null());
    // With what `cargo run` says of the package of this program, build scripts count as changed, and most of what the
    // project depends on is compiled again; and once more by the next build without it.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

fn no_cargo(error: &std::io::Error) -> Failure {
    Failure::new(SOFTWARE, format!("cargo cannot be run: {error}"))
        .help("install Rust (https://rustup.rs), or put cargo on the PATH")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cargo_is_not_told_which_package_runs_it() {
        let cargo = cargo();
        let removed: Vec<_> = cargo.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        // Cargo, which runs this test, tells it of this package.
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
            assert!(std::env::var_os(name).is_none() || removed.contains(&std::ffi::OsStr::new(name)), "{name}");
        }
        assert!(!removed.iter().any(|name| ["CARGO_HOME", "CARGO_TARGET_DIR"].contains(&name.to_str().unwrap())));
    }

    #[test]
    fn the_package_is_that_of_the_cargo_toml_or_the_one_that_is_named() {
        let package = |name: &str, folder: &str, used: &[&str]| {
            let used: Vec<_> = used.iter().map(|name| json!({"name": name, "kind": null})).collect();
            let path = format!("{folder}/Cargo.toml");
            let script = json!({"name": "build-script-build", "kind": ["custom-build"], "src_path": format!("{folder}/build.rs")});
            let targets = if name == "a" { vec![script] } else { Vec::new() };
            json!({"name": name, "manifest_path": path, "rust_version": null, "dependencies": used, "targets": targets})
        };
        let find = |cargo_toml: &str, name| {
            let metadata = json!({
                "workspace_root": "/w", "target_directory": "/w/target",
                "packages": [package("w", "/w", &[]), package("a", "/w/a", &["hecate-om"])],
            });
            Project::of_metadata(serde_json::from_value(metadata).unwrap(), Path::new(cargo_toml), name)
        };
        assert_eq!(find("/w/a/Cargo.toml", None).unwrap().contract_lock(), Path::new("/w/a/contract.lock.json"));
        assert_eq!(find("/w/Cargo.toml", None).unwrap().package, "w");
        let named = find("/w/Cargo.toml", Some("a")).unwrap();
        assert_eq!((named.folder(), named.is_of_service()), (Path::new("/w/a"), true));
        assert_eq!(named.build_script.as_deref(), Some(Path::new("build.rs")));
        assert_eq!(find("/w/Cargo.toml", None).unwrap().build_script, None);
        for (cargo_toml, name, what) in
            [("/w/Cargo.toml", Some("b"), "there is no package `b`"), ("/v/Cargo.toml", None, "and of no package")]
        {
            let failure = find(cargo_toml, name).unwrap_err();
            assert_eq!(failure.exit_code(), DATA);
            let told = failure.told(false);
            assert!(told.contains(what) && told.contains("such as `-p a`: w, a"), "{told}");
        }
    }
}
