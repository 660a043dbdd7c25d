//! What a package builds: its services, and the programs that run them.

use std::ffi::OsString;
use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::process::Stdio;

use serde::Deserialize;

use super::{Project, Target, cargo, no_cargo};
use crate::failure::{DATA, Failure, SOFTWARE};
use crate::inspect::{Kept, manifests_of};

/// Has the macros pass over the lock of contracts; cargo tracks it.
const LIFTED: (&str, &str) = ("BUILD_HECATE_CONTRACT_LOCK", "lifted");

/// How a package is built.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How<'a> {
    /// With optimizations.
    pub(crate) is_release: bool,
    /// Whatever the lock of its contracts says, and into a folder of its own: what breaks the lock is built there and
    /// nowhere else. What it depends on is shared with every other build.
    pub(crate) is_lock_lifted: bool,
    /// What cargo is given besides.
    pub(crate) arguments: &'a [OsString],
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

impl Project {
    /// Builds the package, which costs next to nothing when it is built, and reads what its programs and its
    /// library keep. What cargo has to say goes to standard error; how far it is, only to a terminal.
    ///
    /// # Errors
    /// When it does not build, and when something in the build cannot be read.
    pub(crate) fn build(&self, how: How<'_>) -> Result<Built, Failure> {
        let mut build = cargo();
        build.args(["build", "--message-format", "json-render-diagnostics", "--manifest-path"]).arg(&self.cargo_toml);
        build.args(["--package", &self.package]).args(how.arguments);
        if how.is_release {
            build.arg("--release");
        }
        if how.is_lock_lifted {
            build.env("CARGO_TARGET_DIR", self.target.join("hecate-lock")).env("CARGO_BUILD_BUILD_DIR", &self.build);
            build.env(LIFTED.0, LIFTED.1);
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
