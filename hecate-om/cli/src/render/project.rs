//! The package of a folder: where it is, what its build said of its service, which toolchain and which hecate-om it has.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hecate_om::manifest::Manifest;
use serde_json::Value;

use super::OmSource;
use crate::failure::{DATA, Failure, IO, NO_INPUT, SOFTWARE};

/// The package that a command is about.
#[derive(Debug)]
pub(crate) struct Project {
    /// The folder of its Cargo.toml.
    pub(crate) folder: PathBuf,
    pub(crate) package: String,
    target: PathBuf,
    document: toml::Table,
}

impl Project {
    /// The package of the folder that the process is in, or of the nearest above it.
    ///
    /// # Errors
    /// There is none, or Cargo does not understand it.
    pub(crate) fn here() -> Result<Self, Failure> {
        let here =
            env::current_dir().map_err(|error| Failure::new(IO, format!("where this is cannot be told: {error}")))?;
        let metadata = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
            .stderr(Stdio::piped())
            .output()
            .map_err(|error| Failure::new(NO_INPUT, format!("cargo does not run: {error}")))?;
        if !metadata.status.success() {
            let told = String::from_utf8_lossy(&metadata.stderr);
            let what = told.trim().trim_start_matches("error: ").lines().next().unwrap_or_default();
            let help = "go to the folder of a service, or make one: `hecate-om new NAME`";
            return Err(Failure::new(NO_INPUT, what).help(help));
        }
        let metadata: Value = serde_json::from_slice(&metadata.stdout)
            .map_err(|error| Failure::new(SOFTWARE, format!("cargo metadata is no JSON: {error}")))?;
        let folder_of = |package: &Value| Some(Path::new(package["manifest_path"].as_str()?).parent()?.to_owned());
        let found = metadata["packages"].as_array().into_iter().flatten().filter_map(|package| {
            let folder = folder_of(package)?;
            here.starts_with(&folder).then(|| (folder, package["name"].as_str().unwrap_or_default().to_owned()))
        });
        let Some((folder, package)) = found.max_by_key(|(folder, _)| folder.components().count()) else {
            let what = format!("{} is the folder of a workspace, not of a service", here.display());
            return Err(Failure::new(NO_INPUT, what).help("go to the folder of the service"));
        };
        let target = PathBuf::from(metadata["target_directory"].as_str().unwrap_or("target"));
        let document = read(&folder.join("Cargo.toml"))?
            .parse()
            .map_err(|error| Failure::new(DATA, format!("Cargo.toml is no TOML: {error}")))?;
        Ok(Self { folder, package, target, document })
    }

    /// Builds it, which is nothing to do where it is built, and reads the manifest that the build left.
    ///
    /// # Errors
    /// It does not build, or leaves no manifest, or several and `service` names none of them.
    pub(crate) fn manifest(&self, service: Option<&str>) -> Result<Manifest, Failure> {
        let built = cargo()
            .current_dir(&self.folder)
            .args(["build", "--quiet"])
            .stdout(Stdio::null())
            .status()
            .map_err(|error| Failure::new(NO_INPUT, format!("cargo does not run: {error}")))?;
        if !built.success() {
            return Err(Failure::new(DATA, format!("{} does not build, so it has no manifest", self.package)));
        }
        let folder = self.target.join("debug/hecate");
        let crate_name = self.package.replace('-', "_");
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().ends_with(".manifest.json") {
                let manifest = parse(&entry.path())?;
                let is_ours = manifest.callback_module.split("::").next() == Some(&*crate_name);
                if is_ours && service.is_none_or(|service| service == manifest.name) {
                    found.push(manifest);
                }
            }
        }
        if found.len() > 1 {
            let names: Vec<_> = found.iter().map(|manifest| manifest.name.as_str()).collect();
            let what = format!("{} has several services: {}", self.package, names.join(", "));
            return Err(Failure::new(DATA, what).help("name one with --service"));
        }
        found.pop().ok_or_else(|| {
            let what = format!("the build of {} left no manifest in {}", self.package, folder.display());
            Failure::new(NO_INPUT, what).help("has it a `#[hecate_service]`, and the name that --service says?")
        })
    }

    /// The channel of rust-toolchain.toml.
    pub(crate) fn toolchain(&self) -> Option<String> {
        let text = fs::read_to_string(self.folder.join("rust-toolchain.toml")).ok()?;
        let table: toml::Table = text.parse().ok()?;
        Some(table.get("toolchain")?.get("channel")?.as_str()?.to_owned())
    }

    /// Where its hecate-om comes from.
    pub(crate) fn hecate_om(&self) -> Option<OmSource> {
        let dependency = self.document.get("dependencies")?.get("hecate-om")?;
        let text = |key| dependency.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        if let Some(path) = text("path") {
            let root = fs::canonicalize(self.folder.join(path)).ok()?.parent()?.to_str()?.to_owned();
            return Some(OmSource::Path(root));
        }
        text("git")
            .map(OmSource::Git)
            .or_else(|| dependency.as_str().map(str::to_owned).or_else(|| text("version")).map(OmSource::Version))
    }
}

/// Reads a manifest from a file.
///
/// # Errors
/// It cannot be read, is too large, or is no manifest; all that is wrong with it is told.
pub(crate) fn parse(path: &Path) -> Result<Manifest, Failure> {
    Manifest::parse(&read(path)?).map_err(|errors| {
        let what =
            format!("{} is no manifest of a service:\n  {}", path.display(), errors.to_string().replace('\n', "\n  "));
        Failure::new(DATA, what)
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    let io = |error| Failure::new(NO_INPUT, format!("{} cannot be read: {error}", path.display()));
    let size = fs::metadata(path).map_err(io)?.len();
    if size > Manifest::MAX_BYTES as u64 {
        return Err(Failure::new(DATA, format!("{} has {size} bytes, which is too much", path.display())));
    }
    fs::read_to_string(path).map_err(io)
}

/// Cargo as the stranger's shell has it.
fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.stdin(Stdio::null());
    cargo
}
