//! What the macros write compiles without a warning wherever it stands: without a prelude, where lints
//! are denied, in another edition, and where the runtime crate has another name.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A workspace beside the build output, of packages that have their sources in this repository. It has
/// the versions of this one, so that it needs no network.
struct Packages {
    folder: PathBuf,
}

impl Packages {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        fs::write(folder.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\n").unwrap();
        Self { folder }
    }

    /// Adds a package that knows the runtime crate as `runtime`.
    fn add(&self, name: &str, edition: &str, runtime: &str, targets: &str) {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        let path = root().join("hecate-om");
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"{edition}\"\npublish = false\n\n\
             [dependencies]\n{runtime} = {{ package = \"hecate-om\", path = {path:?}, default-features = false }}\n\n{targets}"
        );
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    }

    fn cargo(&self, arguments: &[&str]) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).args(["--offline", "--quiet"]).current_dir(&self.folder);
        cargo.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("hygiene-target"));
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn source(name: &str) -> PathBuf {
    root().join("tests/hygiene").join(name)
}

#[test]
fn generated_code_bears_every_lint_and_every_name() {
    let packages = Packages::new("hygiene-lints");
    packages.add("strict", "2024", "hecate-om", &format!("[lib]\npath = {:?}\n", source("strict.rs")));
    packages.add("strict_2021", "2021", "hecate-om", &format!("[lib]\npath = {:?}\n", source("strict.rs")));
    let bin = format!("[[bin]]\nname = \"renamed\"\npath = {:?}\n", source("renamed.rs"));
    packages.add("renamed", "2024", "om", &bin);
    packages.add("renamed_2021", "2021", "om", &bin.replace("\"renamed\"", "\"renamed_2021\""));
    packages.cargo(&["clippy", "--workspace", "--all-targets"]);
}

#[test]
fn unusual_legal_code_compiles_in_edition_2021() {
    let packages = Packages::new("hygiene-editions");
    let mut targets = String::new();
    let mut cases: Vec<PathBuf> =
        fs::read_dir(root().join("tests/compile_pass")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    cases.sort();
    for path in &cases {
        let name = path.file_stem().unwrap().to_string_lossy();
        write!(targets, "[[bin]]\nname = {name:?}\npath = {path:?}\n\n").unwrap();
    }
    assert!(cases.len() >= 15, "{cases:?}");
    packages.add("legal_2021", "2021", "hecate-om", &targets);
    packages.cargo(&["check", "--bins"]);
}
