//! The package of a folder: what cargo says of it, and what it builds.

use std::ffi::OsString;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde::Deserialize;

use crate::failure::{DATA, Failure, NO_INPUT, SOFTWARE};
use crate::inspect::{Kept, manifests_of};

/// Which package is meant, and how it is built.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Which {
    /// The Cargo.toml of the package; without it, that of this folder or of the nearest above it.
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Build with optimizations.
    #[arg(long)]
    pub(crate) release: bool,
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
    /// The names of its library and programs, as the compiler knows them.
    crates: Vec<String>,
}

/// What a package depends on.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `build` or `dev`; none for what is linked.
    pub(crate) kind: Option<String>,
}

/// What came of a build.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    /// The services of the package, each once, those first that its programs run.
    pub(crate) services: Vec<Service>,
}

/// A service of a package, and the program that runs it.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) kept: Kept,
    pub(crate) program: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
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
}

/// A line of what a build tells.
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    executable: Option<PathBuf>,
}

/// The dependency that makes a package one of a service.
const RUNTIME: &str = "hecate-om";

impl Project {
    /// The package of a Cargo.toml; of the one in this folder or the nearest above it where none is given.
    ///
    /// # Errors
    /// When there is none, when cargo cannot read it, and when it is that of a workspace alone.
    pub(crate) fn find(cargo_toml: Option<&Path>) -> Result<Self, Failure> {
        let cargo_toml = match cargo_toml {
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
        let services: Vec<String> = metadata
            .packages
            .iter()
            .filter(|package| package.dependencies.iter().any(|used| used.name == RUNTIME && used.kind.is_none()))
            .map(|package| package.manifest_path.display().to_string())
            .collect();
        let Some(package) = metadata.packages.into_iter().find(|package| package.manifest_path == cargo_toml) else {
            let help = match services.first() {
                Some(first) => format!("choose one of its packages: --manifest-path {first}"),
                None => "give the Cargo.toml of a package with --manifest-path".to_owned(),
            };
            let what = format!("{} is that of a workspace, and of no package", cargo_toml.display());
            return Err(Failure::new(DATA, what).help(help));
        };
        let is_linked = |target: &&Target| target.kind.iter().any(|kind| kind == "bin" || kind.ends_with("lib"));
        Ok(Self {
            package: package.name,
            cargo_toml,
            rust_version: package.rust_version,
            workspace: metadata.workspace_root,
            dependencies: package.dependencies,
            crates: package.targets.iter().filter(is_linked).map(|target| target.name.replace('-', "_")).collect(),
        })
    }

    /// The folder of the package.
    pub(crate) fn folder(&self) -> &Path {
        self.cargo_toml.parent().unwrap_or(&self.cargo_toml)
    }

    /// Whether it depends on the runtime.
    pub(crate) fn is_of_service(&self) -> bool {
        self.dependencies.iter().any(|used| used.name == RUNTIME && used.kind.is_none())
    }

    /// Builds the package, which costs next to nothing when it is built, and reads what its programs and its
    /// library keep. What cargo has to say goes to standard error; how far it is, only to a terminal.
    ///
    /// # Errors
    /// When it does not build, and when something in the build cannot be read.
    pub(crate) fn build(&self, is_release: bool) -> Result<Built, Failure> {
        let mut build = cargo();
        build.args(["build", "--message-format", "json-render-diagnostics", "--manifest-path"]).arg(&self.cargo_toml);
        build.args(["--package", &self.package]);
        if is_release {
            build.arg("--release");
        }
        if !stderr().is_terminal() {
            build.arg("--quiet");
        }
        let told = build.stderr(Stdio::inherit()).output().map_err(|error| no_cargo(&error))?;
        if !told.status.success() {
            return Err(Failure::new(SOFTWARE, format!("`{}` does not build; cargo says why above", self.package)));
        }
        let (mut programs, mut libraries) = (Vec::new(), Vec::new());
        // A message that is not understood is none that is needed.
        let messages = told.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        for message in messages.filter(|message: &Message| message.reason == "compiler-artifact") {
            if message.manifest_path.as_deref() != Some(&self.cargo_toml) {
                continue;
            }
            let kinds = message.target.map(|target| target.kind).unwrap_or_default();
            match message.executable {
                Some(program) if kinds.iter().any(|kind| kind == "bin") => programs.push(program),
                _ => libraries
                    .extend(message.filenames.into_iter().filter(|name| name.extension() == Some("rlib".as_ref()))),
            }
        }
        self.services(&programs, &libraries)
    }

    fn services(&self, programs: &[PathBuf], libraries: &[PathBuf]) -> Result<Built, Failure> {
        let mut services: Vec<Service> = Vec::new();
        for program in programs {
            let own = manifests_of(program)?.into_iter().filter(|kept| kept.is_run || self.declares(kept));
            for kept in own {
                let program = kept.is_run.then(|| program.clone());
                match services.iter_mut().find(|known| known.kept.manifest.name == kept.manifest.name) {
                    Some(known) if known.program.is_none() => *known = Service { kept, program },
                    Some(_) => {}
                    None => services.push(Service { kept, program }),
                }
            }
        }
        for library in libraries {
            for kept in manifests_of(library)?.into_iter().filter(|kept| self.declares(kept)) {
                if !services.iter().any(|known| known.kept.manifest.name == kept.manifest.name) {
                    services.push(Service { kept, program: None });
                }
            }
        }
        services.sort_by_key(|service| service.program.is_none());
        Ok(Built { services })
    }

    /// Whether a service is one of this package, and not of one that it is linked with.
    fn declares(&self, kept: &Kept) -> bool {
        let of = kept.manifest.callback_module.split("::").next().unwrap_or_default();
        self.crates.iter().any(|own| own == of)
    }
}

impl Built {
    /// The service of that name; without one, the only service, or the only one that a program runs.
    ///
    /// # Errors
    /// When there is none, and when it is not clear which.
    pub(crate) fn service(&self, name: Option<&str>) -> Result<&Service, Failure> {
        let names = || self.services.iter().map(|service| &*service.kept.manifest.name).collect::<Vec<_>>().join(", ");
        if let Some(name) = name {
            let found = self.services.iter().find(|service| service.kept.manifest.name == name);
            return found.ok_or_else(|| {
                let what = format!("there is no service `{}` in this package", name.escape_debug());
                let help = match self.services.first() {
                    Some(first) => format!("its services are {}: --service {}", names(), first.kept.manifest.name),
                    None => "it has none; write `#[hecate_service(name = \"..\")]` above an impl block".to_owned(),
                };
                Failure::new(DATA, what).help(help)
            });
        }
        let run: Vec<&Service> = self.services.iter().filter(|service| service.program.is_some()).collect();
        match (&*self.services, &*run) {
            ([one], _) => Ok(one),
            (_, [one]) => Ok(one),
            ([], _) => Err(Failure::new(DATA, "this package has no service").help(
                "write `#[hecate_service(name = \"..\")]` above an impl block, and call `hecate_om::run` in `main`",
            )),
            ([first, ..], _) => Err(Failure::new(DATA, format!("this package has several services: {}", names()))
                .help(format!("choose one: --service {}", first.kept.manifest.name))),
        }
    }
}

/// The Cargo.toml of this folder, or of the nearest above it.
fn nearest() -> Result<PathBuf, Failure> {
    let folder = std::env::current_dir()
        .map_err(|error| Failure::new(NO_INPUT, format!("the current folder cannot be found: {error}")))?;
    let found = folder.ancestors().map(|above| above.join("Cargo.toml")).find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::new(NO_INPUT, format!("there is no Cargo.toml in {} nor above it", folder.display()))
            .help("go into the folder of a service, or give its Cargo.toml with --manifest-path")
    })
}

/// The cargo that runs this program, if one does.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

fn no_cargo(error: &std::io::Error) -> Failure {
    Failure::new(SOFTWARE, format!("cargo cannot be run: {error}"))
        .help("install Rust (https://rustup.rs), or put cargo on the PATH")
}
