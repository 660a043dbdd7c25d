//! `hecate-om lock` and `diff` as people use them: on a package of their own, with the real cargo; and the lock that
//! `hecate-om new` writes.

// Shared set-up fails by panicking, as a test does.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const SERVICE: &str = r#"
use hecate_om::prelude::*;

#[derive(Default)]
pub struct Porter;

/// What is to be carried.
#[message]
pub struct Load { weight: u16, #[serde(default)] label: String }

/// Where it is now.
#[message]
pub struct Carried { place: String }

/// Carries loads.
#[hecate_service(name = "hecate-porter")]
impl Porter {
    /// Carries a load.
    #[capability(version = 1)]
    pub async fn carry(&self, request: Load) -> Result<Carried> {
        Ok(Carried { place: format!("{} of {}", request.label, request.weight) })
    }

    /// Puts it down.
    #[capability(version = 1)]
    pub async fn drop_load(&self) -> Result<()> {
        Ok(())
    }
}

fn main() -> ExitCode { hecate_om::run::<Porter>() }
"#;

/// What of it makes up the second capability.
const DROP: &str = r#"    /// Puts it down.
    #[capability(version = 1)]
    pub async fn drop_load(&self) -> Result<()> {
        Ok(())
    }
"#;

struct Package {
    folder: PathBuf,
}

impl Package {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract-lock");
        fs::create_dir_all(folder.join("src")).unwrap();
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let runtime = checkout.join("hecate-om");
        fs::copy(checkout.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        let manifest = format!(
            "[package]\nname = \"porter\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [dependencies]\nhecate-om = {{ path = {runtime:?}, default-features = false }}\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        let package = Self { folder };
        let _ = fs::remove_file(package.lock());
        package.write(SERVICE);
        package
    }

    /// One that `hecate-om new` makes, but for the mesh, which takes minutes to compile and is no part of a contract.
    fn made(above: &Path, name: &str, shape: &[&str]) -> Self {
        let folder = above.join(name);
        let _ = fs::remove_dir_all(&folder);
        let above = Self { folder: above.to_owned() };
        let (code, told) = above.hecate_om(&[&["new", name][..], shape].concat());
        assert_eq!(code, 0, "{told}");
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let lean = manifest.replace("/hecate-om\" }", "/hecate-om\", default-features = false }");
        assert_ne!(manifest, lean);
        fs::write(folder.join("Cargo.toml"), lean).unwrap();
        Self { folder }
    }

    fn lock(&self) -> PathBuf {
        self.folder.join("contract.lock.json")
    }

    fn write(&self, source: &str) {
        fs::write(self.folder.join("src/main.rs"), source).unwrap();
    }

    /// Runs in the folder, in the environment of a person who has the checkout's dependencies compiled.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["CARGO_", "RUSTC", "RUSTFLAGS"].iter().any(|prefix| text.starts_with(prefix)) && text != "CARGO_HOME" {
                command.env_remove(&name);
            }
        }
        command.env("CARGO_TARGET_DIR", Self::target());
        command.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_NET_OFFLINE", "true");
        command.env("CARGO", env!("CARGO")).args(arguments).current_dir(&self.folder);
        command
    }

    /// As the other throw-away packages are built, so that what is below them is compiled once.
    fn target() -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("build_output/dependencies/target")
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program, arguments).output().unwrap()
    }

    /// Exit code and standard output.
    fn hecate_om(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(env!("CARGO_BIN_EXE_hecate-om"), arguments);
        let printed = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), printed)
    }

    /// Whether all goes well, and what cargo says.
    fn cargo(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.run(env!("CARGO"), arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    }
}

#[test]
fn a_contract_is_locked_kept_and_changed_only_where_that_is_meant() {
    let package = Package::new();

    // There is none yet.
    let (code, told) = package.hecate_om(&["lock", "--check"]);
    assert!(code == 1 && told.contains("there is no ") && told.contains("run `hecate-om lock`"), "{code}: {told}");
    let (code, told) = package.hecate_om(&["lock"]);
    assert!(code == 0 && told.contains("1 service, 2 capabilities; help: commit it"), "{code}: {told}");
    let first = fs::read_to_string(package.lock()).unwrap();
    let (code, told) = package.hecate_om(&["lock", "--check"]);
    assert!(code == 0 && told.contains("is what the code is"), "{code}: {told}");
    let (is_built, said) = package.cargo(&["build", "--quiet"]);
    assert!(is_built, "{said}");

    // A capability is gone: the build says so, and how to go on; and so each time.
    package.write(&SERVICE.replace(DROP, ""));
    for _ in 0..2 {
        let (is_built, said) = package.cargo(&["build", "--quiet"]);
        assert!(!is_built, "{said}");
        assert!(
            said.contains("`porter.drop_load@1` is in `contract.lock.json`, and `hecate-porter` has it no more"),
            "{said}"
        );
        assert!(said.contains("help: put it back") && said.contains("`hecate-om lock --accept-breaking`"), "{said}");
        assert!(said.contains("due to 1 previous error"), "nothing else is told: {said}");
    }
    for arguments in [&["lock"][..], &["lock", "--accept"], &["lock", "--check"]] {
        let (code, told) = package.hecate_om(arguments);
        assert!(
            code == 1 && told.contains("breaking  capability `porter.drop_load@1`: the capability is gone"),
            "{told}"
        );
        assert_eq!(fs::read_to_string(package.lock()).unwrap(), first);
    }
    let (is_built, _) = package.cargo(&["build", "--quiet"]);
    assert!(!is_built, "that the check was lifted there lifts it nowhere else");
    let (code, told) = package.hecate_om(&["lock", "--accept-breaking", "--json"]);
    let value: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!(
        (code, &value["state"], &value["written"], &value["breaking"]),
        (0, &"breaking".into(), &true.into(), &1.into())
    );
    let (is_built, said) = package.cargo(&["build", "--quiet"]);
    assert!(is_built, "the lock is tracked: {said}");

    // The other way out: put it back. It is new then, and breaks nobody.
    package.write(SERVICE);
    let (code, told) = package.hecate_om(&["lock"]);
    assert!(code == 1 && told.contains("ok        capability `porter.drop_load@1`: a new capability"), "{told}");
    let (code, _) = package.hecate_om(&["lock", "--accept"]);
    assert_eq!((code, fs::read_to_string(package.lock()).unwrap()), (0, first.clone()));

    // A field is another: the compiler cannot know, the generated test does.
    package.write(&SERVICE.replace("weight: u16", "weight: u8"));
    let (is_kept, said) = package.cargo(&["test", "--quiet"]);
    assert!(
        !is_kept && said.contains("`porter.carry@1`, request, `$.weight`: range: was 0..=65535, and is 0..=255"),
        "{said}"
    );
    fs::write(package.folder.join("old.json"), &first).unwrap();
    let (code, told) = package.hecate_om(&["lock"]);
    assert!(code == 1 && told.contains("callers may send what is not taken any more"), "{told}");
    package.write(&SERVICE.replace("weight: u16", "weight: u32"));
    let (is_kept, said) = package.cargo(&["test", "--quiet"]);
    assert!(is_kept, "a wider request breaks nobody: {said}");
    let (code, _) = package.hecate_om(&["lock", "--accept"]);
    assert_eq!(code, 0);

    // Two contracts, as files.
    let (code, told) = package.hecate_om(&["diff", "old.json", "contract.lock.json"]);
    assert!(code == 0 && told.contains("$.weight") && told.contains("nothing of it breaks callers"), "{told}");
    let (code, told) = package.hecate_om(&["diff", "contract.lock.json", "old.json", "--json"]);
    let value: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &value["changes"][0]["path"]), (1, &"$.weight".into()));

    // A lock that a merge left is told with its place.
    fs::write(package.lock(), first.replacen("{", "<<<<<<< ours\n{", 1)).unwrap();
    let (is_built, said) = package.cargo(&["build", "--quiet"]);
    assert!(!is_built && said.contains("cannot be read: line 1, column 1"), "{said}");
    let (code, told) = package.hecate_om(&["lock", "--accept-breaking"]);
    assert!(code == 65 && told.contains("help: take it back from version control"), "{told}");
}

#[test]
fn check_has_nothing_to_say_of_a_service_that_was_just_made() {
    // In no repository: what git would say of it is no part of this.
    let room = tempfile::tempdir().unwrap();
    let package = Package::made(room.path(), "acme-checked", &[]);
    let place = |name: &str| room.path().join(name).to_str().unwrap().to_owned();
    let settings = [
        ("HECATE_RUNTIME_DIR", place("run")),
        ("HECATE_DATA_DIR", place("data")),
        ("HECATE_HEALTH_ADDR", "127.0.0.1:0".to_owned()),
    ];
    let check = || {
        let output = package
            .command(env!("CARGO_BIN_EXE_hecate-om"), &["check", "--strict", "--json"])
            .envs(settings.clone())
            .output();
        let output = output.unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let findings = told["findings"].as_array().unwrap().iter();
        let findings: Vec<_> = findings.filter(|found| found["level"] != "ok").cloned().collect();
        (output.status.code(), findings)
    };
    let (is_built, said) = package.cargo(&["build", "--quiet"]);
    assert!(is_built, "{said}");
    assert_eq!(check(), (Some(0), Vec::new()));

    let manifest = Package::target().join("debug/hecate/acme-checked.manifest.json");
    fs::remove_file(&manifest).unwrap();
    let (is_built, said) = package.cargo(&["build", "--quiet"]);
    assert!(is_built && manifest.is_file(), "build.rs brings it back: {said}");

    fs::remove_file(package.folder.join("build.rs")).unwrap();
    let (code, found) = check();
    assert!(code == Some(1) && found.len() == 1 && found[0]["subject"] == "build.rs", "{found:?}");
    let help = "write `fn main() { hecate_om_build::manifest() }` in build.rs";
    assert_eq!(found[0]["help"], help, "Cargo.toml has the dependency already");
    // And what is rendered follows.
    let (code, containerfile) = package.hecate_om(&["render", "containerfile"]);
    assert!(code == 0 && !containerfile.contains("build.rs"), "{containerfile}");
    let born = fs::read_to_string(package.folder.join("Containerfile")).unwrap();
    assert!(born.contains("COPY build.rs build.rs\n"), "{born}");
}

/// The lines of a capability, from its comment on.
fn without_capability(source: &str, comment: &str) -> String {
    let (before, rest) = source.split_once(comment).unwrap();
    let (_, after) = rest.split_once("\n    }\n").unwrap();
    before.to_owned() + after
}

#[test]
fn a_new_service_is_born_with_the_lock_that_its_code_has() {
    for (name, shape, capability, comment) in [
        ("acme-widgets", &[][..], "acme_widgets.greet", "    /// Greets a visitor by name.\n"),
        ("acme-desks", &["--vertical-slices"], "acme_desks.visitors", "    /// Tells who was greeted"),
    ] {
        let package = Package::made(Path::new(env!("CARGO_TARGET_TMPDIR")), name, shape);
        let born = fs::read_to_string(package.lock()).unwrap();
        let (code, told) = package.hecate_om(&["lock", "--check"]);
        assert!(code == 0 && told.contains("is what the code is"), "{code}: {told}");
        let (code, _) = package.hecate_om(&["lock", "--accept-breaking"]);
        assert_eq!((code, fs::read_to_string(package.lock()).unwrap()), (0, born.clone()), "byte for byte");
        fs::remove_file(package.lock()).unwrap();
        let (code, _) = package.hecate_om(&["lock"]);
        assert_eq!((code, fs::read_to_string(package.lock()).unwrap()), (0, born.clone()), "byte for byte");

        // A capability that goes breaks the build, which tells both ways out.
        let path = package.folder.join("src/service.rs");
        let source = fs::read_to_string(&path).unwrap();
        fs::write(&path, without_capability(&source, comment)).unwrap();
        let (is_built, said) = package.cargo(&["build", "--quiet"]);
        assert!(!is_built, "{said}");
        assert!(
            said.contains(&format!("`{capability}@1` is in `contract.lock.json`, and `{name}` has it no")),
            "{said}"
        );
        assert!(
            said.contains("help: put it back") && said.contains("or run `hecate-om lock --accept-breaking`"),
            "{said}"
        );
        fs::write(&path, source).unwrap();

        // One that comes is told to the lock, and held from then on.
        let (code, told) = package.hecate_om(&["add", "capability", "repeat"]);
        assert!(code == 0 && told.contains("hecate-om lock --accept"), "{told}");
        let (code, told) = package.hecate_om(&["lock", "--check"]);
        assert!(code == 1 && told.contains("a new capability") && told.contains("`hecate-om lock --accept`"), "{told}");
        let (code, told) = package.hecate_om(&["lock", "--accept"]);
        assert!(code == 0 && told.contains("help: commit it"), "{told}");
        let (is_built, said) = package.cargo(&["build", "--quiet"]);
        assert!(is_built, "{said}");
    }
}
