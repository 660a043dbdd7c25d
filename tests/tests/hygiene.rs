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

    /// Adds a package in which each unusual case is a program.
    fn add_legal(&self, name: &str, edition: &str) {
        let mut targets = String::new();
        let cases = legal_cases();
        for path in &cases {
            write!(targets, "[[bin]]\nname = {:?}\npath = {path:?}\n\n", program(path, edition)).unwrap();
        }
        assert!(cases.len() >= 15, "{cases:?}");
        self.add(name, edition, "hecate-om", &targets);
    }

    /// Runs cargo, which says nothing when all is well.
    fn cargo(&self, arguments: &[&str]) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).args(["--offline", "--quiet"]).current_dir(&self.folder);
        // In the profile and the folder of the other throw-away packages: see build_output/dependencies.rs.
        cargo.env("CARGO_TARGET_DIR", target()).env("CARGO_PROFILE_DEV_DEBUG", "0").env_remove("CARGO_INCREMENTAL");
        let output = cargo.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{told}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("build_output/dependencies/target")
}

fn legal_cases() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join("tests/compile_pass")).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect();
    cases.sort();
    cases
}

/// The editions share a folder for what they build.
fn program(case: &Path, edition: &str) -> String {
    format!("{}_{edition}", case.file_stem().unwrap().to_string_lossy())
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
fn unusual_legal_code_compiles_without_a_warning() {
    let packages = Packages::new("hygiene-legal");
    packages.add_legal("legal", "2024");
    packages.cargo(&["build", "--bins"]);
    for case in legal_cases() {
        let output = Command::new(target().join("debug").join(program(&case, "2024"))).output().unwrap();
        assert!(output.status.success(), "{}: {}", case.display(), String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn unusual_legal_code_compiles_in_edition_2021() {
    let packages = Packages::new("hygiene-editions");
    packages.add_legal("legal_2021", "2021");
    packages.cargo(&["check", "--bins"]);
}
