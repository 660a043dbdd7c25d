//! The package of a service: its Cargo.toml, its compiler, its lock file, and what it builds.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hecate_om::contract_lock::FILE;
use hecate_om::manifest::{Capability, Manifest};

use super::Findings;
use crate::contract;
use crate::new;
use crate::project::{How, Project, Service};

pub(super) fn look(project: &Project, findings: &mut Findings) {
    findings.ok("package", &format!("{}, {}", project.package, project.cargo_toml.display()));
    if !project.is_of_service() {
        let add = new::own_source().map(|om| om.cargo_add("", "hecate-om", "hecate-om"));
        let help = format!("{}, or go into the folder of a service", add.unwrap_or("cargo add hecate-om".to_owned()));
        findings.error("Cargo.toml", "it does not depend on hecate-om", &help);
    }
    build_script(project, findings);
    toolchain(project, findings);
    lock_file(project, findings);
}

/// Without it, the manifest in the build output does not come back when it is deleted.
fn build_script(project: &Project, findings: &mut Findings) {
    let is_there =
        project.dependencies.iter().any(|used| used.name == "hecate-om-build" && used.kind.as_deref() == Some("build"));
    let file = project.build_script.as_deref().unwrap_or(Path::new("build.rs"));
    let script = std::fs::read_to_string(project.folder().join(file)).unwrap_or_default();
    let file = file.display().to_string();
    if is_there && script.contains("hecate_om_build::manifest()") {
        findings.ok(&file, "keeps manifest.json in the build output");
        return;
    }
    // From where its hecate-om is from, or cargo would not find it.
    let om = project.hecate_om().ok().flatten().or_else(|| new::own_source().ok());
    let add = om.map(|om| om.cargo_add("--build ", "hecate-om-build", "hecate-om/build"));
    let add = add.filter(|_| !is_there).map(|add| format!("{add}, and ")).unwrap_or_default();
    let help = if script.is_empty() {
        format!("{add}write `fn main() {{ hecate_om_build::manifest() }}` in {file}")
    } else {
        format!("{add}call `hecate_om_build::manifest()` in {file}")
    };
    findings.note(&file, "does not keep manifest.json in the build output", &help);
}

fn toolchain(project: &Project, findings: &mut Findings) {
    let told = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("--version")
        .current_dir(project.folder())
        .output();
    // `rustc 1.95.0 (abcdef 2026-01-01)`.
    let told =
        told.ok().filter(|told| told.status.success()).map(|told| String::from_utf8_lossy(&told.stdout).into_owned());
    let version = told.as_deref().and_then(|told| told.split(' ').nth(1)).map(str::trim);
    match (version, &project.rust_version) {
        (None, _) => findings.error("compiler", "rustc cannot be run", "install Rust: https://rustup.rs"),
        (Some(version), Some(needed)) if numbers(version) < numbers(needed) => {
            let what = format!("rustc is {version}, and Cargo.toml asks for {needed}");
            findings.error("compiler", &what, &format!("rustup toolchain install {needed}"));
        }
        (Some(version), _) => findings.ok("compiler", &format!("rustc {version}")),
    }
    let folders = [project.folder(), &project.workspace];
    let names = ["rust-toolchain.toml", "rust-toolchain"];
    if folders.iter().any(|folder| names.iter().any(|name| folder.join(name).is_file())) {
        findings.ok("toolchain", "is pinned");
    } else {
        let help =
            "write rust-toolchain.toml with `[toolchain]` and `channel = \"..\"`, so that everybody builds the same";
        findings.note("toolchain", "is not pinned", help);
    }
}

/// The numbers of a version, as far as they are some.
fn numbers(version: &str) -> Vec<u64> {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    let mut numbers: Vec<u64> = version.split('.').take(3).map(digits).collect();
    numbers.resize(3, 0);
    numbers
}

fn lock_file(project: &Project, findings: &mut Findings) {
    let lock = project.workspace.join("Cargo.lock");
    if !lock.is_file() {
        findings.note(
            "Cargo.lock",
            "is not there",
            "cargo generate-lockfile, and commit it: a service is built of what it was tested with",
        );
        return;
    }
    // Outside of a repository, git complains.
    let ignored = Command::new("git")
        .arg("-C")
        .arg(&project.workspace)
        .args(["check-ignore", "--quiet", "Cargo.lock"])
        .stderr(Stdio::null())
        .status();
    if ignored.is_ok_and(|status| status.success()) {
        findings.note("Cargo.lock", "is ignored by git", "take it out of .gitignore, and commit it");
    } else {
        findings.ok("Cargo.lock", "is there");
    }
}

/// Builds the service and looks at what it says that it is; the program that runs it, if one does.
pub(super) fn build(project: &Project, is_release: bool, findings: &mut Findings) -> Option<PathBuf> {
    let built = match project.build(How { is_release, ..How::default() }) {
        Ok(built) => built,
        Err(failure) => {
            findings.error("build", &failure.to_string(), "read what cargo says, and build it with cargo build");
            return None;
        }
    };
    if built.services.is_empty() {
        findings.error(
            "service",
            "the package has none",
            "write `#[hecate_service(name = \"..\")]` above an impl block",
        );
    }
    for service in &built.services {
        manifest(project, service, findings);
    }
    let program = built.services.iter().find_map(|service| service.program.clone());
    if program.is_none() && !built.services.is_empty() {
        findings.note("program", "none runs a service of this package", "call `hecate_om::run::<..>()` in src/main.rs");
    }
    program
}

/// What the manifest says against what is written beside it.
fn manifest(project: &Project, service: &Service, findings: &mut Findings) {
    let Manifest { name, version, capabilities, image, min_om_version, .. } = &service.kept.manifest;
    let count = capabilities.len();
    let plural = if count == 1 { "y" } else { "ies" };
    match Manifest::parse_strict(&service.kept.text) {
        Ok(_) => findings.ok("manifest", &format!("{name} {version}, {count} capabilit{plural}")),
        Err(errors) => {
            for error in errors.iter().take(10) {
                findings.note(
                    "manifest",
                    &error.to_string(),
                    "use a hecate-om of the version that the service is built with",
                );
            }
        }
    }
    if numbers(min_om_version) > numbers(env!("CARGO_PKG_VERSION")) {
        let what = format!("it needs hecate-om {min_om_version}, and this is {}", env!("CARGO_PKG_VERSION"));
        findings.note("hecate-om", &what, "install the tool in the version of the runtime");
    }
    contract(project, service, findings);
    let unit = project.folder().join("quadlet").join(format!("{name}.container"));
    if let (Some(image), Ok(text)) = (image, std::fs::read_to_string(&unit)) {
        let told = text.lines().find_map(|line| line.trim().strip_prefix("Image="));
        match told {
            Some(told) if told.split([':', '@']).next() == Some(image) => {
                findings.ok("quadlet", "has the image of the manifest");
            }
            _ => {
                let what = format!("{} has another image than the manifest, {image}", unit.display());
                findings.error("quadlet", &what, "hecate-om render quadlet --write");
            }
        }
    }
}

/// The lock of contracts, as far as the manifest can tell: whether it knows the service, and all that it answers.
fn contract(project: &Project, service: &Service, findings: &mut Findings) {
    let Manifest { name, capabilities, .. } = &service.kept.manifest;
    let lock = match contract::lock_at(&project.contract_lock()) {
        Ok(Some(lock)) => lock,
        Ok(None) => {
            let what = "is not locked: nothing tells when a change breaks callers";
            return findings.note("contract", what, "hecate-om lock");
        }
        Err(failure) => {
            let what = failure.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            return findings.error("contract", &what, "restore it from git");
        }
    };
    let Some(locked) = lock.services.get(name) else {
        return findings.error("contract", &format!("{FILE} does not know {name}"), "hecate-om lock --accept");
    };
    let is_new = |one: &&Capability| !locked.capabilities.contains_key(&(one.name.clone(), one.version));
    let new: Vec<String> =
        capabilities.iter().filter(is_new).map(|one| format!("{}@{}", one.name, one.version)).collect();
    if new.is_empty() {
        findings.ok("contract", "is locked");
    } else {
        let what = format!("{FILE} does not know {} yet", new.join(", "));
        findings.note("contract", &what, "hecate-om lock --accept");
    }
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(numbers("1.9.0") < numbers("1.10"));
        assert!(numbers("1.95") <= numbers("1.95.0-nightly"));
        assert_eq!(numbers("2"), [2, 0, 0]);
    }
}
