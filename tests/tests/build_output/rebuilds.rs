//! When the manifest is written anew, and when a build has nothing to do.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use crate::binary;
use crate::package::{BUILD_SCRIPT, Package, cargo_toml, member_toml, program};

const MANIFEST: &str = "target/debug/hecate/greeter.manifest.json";

/// What changes when somebody writes the file.
fn identity(package: &Package) -> (u64, i64, i64) {
    let found = fs::metadata(package.path(MANIFEST)).unwrap();
    (found.ino(), found.ctime(), found.ctime_nsec())
}

#[test]
fn a_second_and_a_third_build_have_nothing_to_do() {
    for package in [Package::greeter(), Package::greeter_without_build_script()] {
        assert!(package.build(&[]).compiled.contains(&"greeter".to_owned()));
        let written = identity(&package);
        for _ in 0..2 {
            assert_eq!(package.build(&[]).compiled, [""; 0]);
            assert_eq!(identity(&package), written);
        }
    }
}

#[test]
fn a_change_that_is_not_of_the_contract_does_not_touch_the_file() {
    let package = Package::greeter();
    package.build(&[]);
    let written = identity(&package);
    package.edit("src/main.rs", "\"hello\"", "\"good morning\"");
    assert_eq!(package.build(&[]).compiled, ["greeter"]);
    assert_eq!(identity(&package), written);
}

#[test]
fn packages_that_share_a_folder_leave_each_other_alone() {
    let package = Package::new();
    package.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"*er\"]\n");
    for (name, script) in [("greeter", BUILD_SCRIPT), ("porter", BUILD_SCRIPT), ("waiter", "fn main() {}")] {
        package.write(&format!("{name}/Cargo.toml"), &member_toml(name));
        package.write(&format!("{name}/src/main.rs"), &program(name));
        package.write(&format!("{name}/build.rs"), script);
    }
    for name in ["greeter", "porter", "waiter"] {
        assert!(package.build(&["-p", name]).compiled.contains(&name.to_owned()));
    }
    for name in ["greeter", "porter", "waiter", "greeter"] {
        assert_eq!(package.build(&["-p", name]).compiled, [""; 0]);
    }
    package.edit("porter/src/main.rs", "porter.greet", "porter.carry");
    assert_eq!(package.build(&["-p", "porter"]).compiled, ["porter"]);
    assert_eq!(package.build(&[]).compiled, [""; 0]);
}

#[test]
fn a_renamed_capability_leaves_nothing_of_its_old_name() {
    let package = Package::greeter();
    package.build(&[]);
    assert!(package.read(MANIFEST).contains("\"greeter.greet\""));
    package.edit("src/main.rs", "greeter.greet", "greeter.welcome");
    package.build(&[]);
    let text = package.read(MANIFEST);
    assert!(text.contains("\"greeter.welcome\"") && !text.contains("greeter.greet"), "{text}");
    assert_eq!(binary::manifests(&package.path("target/debug/greeter")), [text]);
}

#[test]
fn what_cargo_toml_says_is_in_the_manifest_after_each_change() {
    let package = Package::greeter_without_build_script();
    // The block says nothing of itself, so that the package speaks.
    package.edit("src/main.rs", "/// Greets people.", "");
    package.build(&[]);
    let manifest = || serde_json::from_str::<Value>(&package.read(MANIFEST)).unwrap();
    assert_eq!(manifest()["description"], "Greets people");
    let changes = [
        ("description = \"Greets people\"", "description = \"Welcomes people\"", "description", "Welcomes people"),
        ("version = \"0.1.0\"", "version = \"0.2.0\"", "version", "0.2.0"),
        ("edition", "license = \"MIT\"\nedition", "license", "MIT"),
        ("\"MIT\"", "\"Apache-2.0\"", "license", "Apache-2.0"),
        ("edition", "repository = \"https://example.org/a\"\nedition", "repository", "https://example.org/a"),
    ];
    for (from, to, field, value) in changes {
        package.edit("Cargo.toml", from, to);
        package.build(&[]);
        assert_eq!(manifest()[field], value);
        assert_eq!(package.build(&[]).compiled, [""; 0]);
    }
    assert_eq!(binary::manifests(&package.path("target/debug/greeter")), [package.read(MANIFEST)]);
}

#[test]
fn with_the_build_script_a_deleted_manifest_comes_back() {
    let package = Package::greeter();
    package.build(&[]);
    let text = package.read(MANIFEST);
    let comes_back = || {
        assert_eq!(package.build(&[]).compiled, ["greeter"]);
        assert_eq!(package.read(MANIFEST), text);
        assert_eq!(package.build(&[]).compiled, [""; 0]);
    };

    fs::remove_file(package.path(MANIFEST)).unwrap();
    comes_back();
    fs::remove_dir_all(package.path("target/debug/hecate")).unwrap();
    comes_back();
    package.write(MANIFEST, "{}");
    comes_back();
    // An editor that checks meanwhile runs the build script, and must not use its answer up.
    fs::remove_file(package.path(MANIFEST)).unwrap();
    package.cargo("check", &[]);
    comes_back();
}

#[test]
fn a_block_that_does_not_compile_leaves_the_manifest_as_it_was() {
    let package = Package::greeter();
    let (right, wrong) = ("pub async fn greet", "pub fn greet");
    package.edit("src/main.rs", right, wrong);
    let fails = || assert!(!package.command("build").output().unwrap().status.success());
    fails();
    assert!(!package.has(MANIFEST));
    package.edit("src/main.rs", wrong, right);
    package.build(&[]);
    let text = package.read(MANIFEST);
    package.edit("src/main.rs", right, wrong);
    package.edit("src/main.rs", "greeter.greet", "greeter.welcome");
    fails();
    assert_eq!(package.read(MANIFEST), text);
}

#[test]
fn without_a_service_the_build_script_asks_for_nothing() {
    let package = Package::new();
    package.write("Cargo.toml", &cargo_toml("empty"));
    package.write("src/main.rs", "fn main() {}");
    package.write("build.rs", BUILD_SCRIPT);
    package.build(&[]);
    assert_eq!(package.build(&[]).compiled, [""; 0]);
    assert_eq!(package.path("target/debug/hecate").read_dir().unwrap().count(), 0);
}
