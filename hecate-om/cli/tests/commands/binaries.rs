//! `inspect`: what binaries keep, and binaries that nobody should trust.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::{Shell, Told, example};

fn inspect(path: impl AsRef<Path>) -> Told {
    Shell::new("/nowhere").run(&["inspect", path.as_ref().to_str().unwrap(), "--json"])
}

/// What a service says itself.
fn manifest_of(program: &str) -> Value {
    let told = Command::new(program).arg("manifest").output().unwrap();
    serde_json::from_slice(&told.stdout).unwrap()
}

#[test]
fn the_manifests_of_all_linked_services_are_told_and_the_one_that_runs() {
    let (parrot, echo) = (example("hecate-parrot"), example("hecate-echo"));
    let told = inspect(&parrot);
    assert_eq!(told.code, 0, "{told:?}");
    let services = told.json()["services"].clone();
    assert_eq!(services[0], json!({"runs": true, "manifest": manifest_of(&parrot)}));
    assert_eq!(services[1], json!({"runs": false, "manifest": manifest_of(&echo)}));
    assert_eq!(services.as_array().unwrap().len(), 2);

    let text = Shell::new("/nowhere").run(&["inspect", &parrot]).stdout;
    assert!(text.contains("hecate-parrot ") && text.contains("(runs)") && text.contains("uses Echo"), "{text}");

    let room = tempfile::tempdir().unwrap();
    let stripped = room.path().join("stripped");
    let status = Command::new("strip").arg("--strip-all").arg("-o").arg(&stripped).arg(&parrot).status().unwrap();
    assert!(status.success());
    assert_eq!(inspect(&stripped).json()["services"], services, "and of a stripped one");
}

#[test]
fn what_keeps_no_manifest_or_cannot_be_read_is_told() {
    let room = tempfile::tempdir().unwrap();
    let path = |name: &str| room.path().join(name);
    let own = inspect(env!("CARGO_BIN_EXE_hecate-om"));
    assert!(own.code == 1 && own.stderr.contains("keeps no manifest"), "{own:?}");

    let whole = fs::read(example("hecate-echo")).unwrap();
    fs::write(path("cut"), &whole[..whole.len() / 2]).unwrap();
    fs::write(path("script"), "#!/bin/sh\n").unwrap();
    fs::write(path("empty"), "").unwrap();
    // As large as a disk, without taking one.
    File::create(path("large")).unwrap().set_len(10 << 30).unwrap();
    fs::write(path("head"), &whole[..64]).unwrap();
    File::options().write(true).open(path("head")).unwrap().set_len(10 << 30).unwrap();
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    for (name, what) in [
        ("cut", "is cut off or damaged"),
        ("script", "is no program"),
        ("empty", "is empty"),
        ("large", "is no program"),
        ("pipe", "is no file"),
        (".", "is no file"),
    ] {
        let told = inspect(path(name));
        assert_eq!((told.code, &*told.stdout), (65, ""), "{name}: {told:?}");
        assert!(told.stderr.contains(&format!("` {what}")), "{name}: {}", told.stderr);
        let of_another = name != "cut";
        assert_eq!(told.stderr.contains("give the path of a program"), of_another, "{name}: {}", told.stderr);
    }
    let told = inspect(path("head"));
    assert!(matches!(told.code, 1 | 65), "{told:?}");
    let told = inspect(path("missing"));
    assert!(told.code == 66 && told.stderr.contains("give the path of a program"), "{told:?}");
}
