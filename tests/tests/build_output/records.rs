//! The record in a binary, and its copies.

use std::process::Command;
use std::sync::LazyLock;

use hecate_om::manifest::Manifest;

use crate::binary;
use crate::dependencies::kept_folder;
use crate::package::{BUILD_SCRIPT, Package, member_toml, output, program, service};
use crate::process::Running;

/// The harshest build that services get.
const RELEASE: &str = "[profile.release]\nlto = \"fat\"\nstrip = \"symbols\"\npanic = \"abort\"\n";

/// The services of `house`, by name.
const SERVICES: [&str; 3] = ["greeter", "library", "porter"];

/// A program that runs `greeter`, holds `porter`, and is linked with the library service `library`.
fn house(package: &Package) {
    package
        .write("Cargo.toml", &format!("[workspace]\nresolver = \"3\"\nmembers = [\"house\", \"library\"]\n{RELEASE}"));
    package.write("library/Cargo.toml", &member_toml("library"));
    package.write("library/src/lib.rs", &service("library"));
    package.write("library/build.rs", BUILD_SCRIPT);
    package.write("house/Cargo.toml", &(member_toml("house") + "library = { path = \"../library\" }\n"));
    let names = "println!(\"{}\", hecate_om::registry::services().iter().map(|service| service.name) \
                 .collect::<Vec<_>>().join(\" \"))";
    let main =
        format!("if std::env::args().nth(1).as_deref() == Some(\"names\") {{ {names}; return ExitCode::SUCCESS }}");
    let greeter = program("greeter").replace("-> ExitCode {", &format!("-> ExitCode {{ {main}"));
    let porter = service("porter");
    package.write("house/src/main.rs", &format!("use library as _;\nmod porter {{ {porter} }}\n{greeter}"));
}

fn manifests(package: &Package, profile: &str) -> Vec<String> {
    SERVICES.map(|name| package.read(&format!("target/{profile}/hecate/{name}.manifest.json"))).to_vec()
}

fn assert_all_are_found(package: &Package, profile: &str) {
    let binary = package.path(&format!("target/{profile}/house"));
    assert_eq!(binary::manifests(&binary), manifests(package, profile));
    assert_eq!(binary::run(&binary), ["greeter"], "only the service given to `run` is marked");
    let names = output(Command::new(&binary).arg("names")).stdout;
    assert_eq!(String::from_utf8(names).unwrap(), SERVICES.join(" ") + "\n");
}

/// Built once: it takes the better part of a minute.
static HOUSE: LazyLock<Package> = LazyLock::new(|| {
    let package = Package::at(&kept_folder("house"));
    house(&package);
    for name in SERVICES {
        let _ = std::fs::remove_file(package.path(&format!("target/release/hecate/{name}.manifest.json")));
    }
    package.build(&["--release"]);
    package
});

#[test]
fn every_linked_service_is_in_the_binary_and_the_one_that_runs_is_marked() {
    let package = Package::new();
    house(&package);
    package.build(&[]);
    assert_all_are_found(&package, "debug");
}

#[test]
#[cfg(target_os = "linux")]
fn another_linker_keeps_the_same_records() {
    let package = Package::new();
    house(&package);
    // rustc's own is LLD; what is unused is for each linker to say.
    package.write("house/build.rs", "fn main() { println!(\"cargo::rustc-link-arg-bins=-fuse-ld=bfd\") }");
    package.build(&[]);
    assert_all_are_found(&package, "debug");
}

#[test]
fn lto_strip_and_abort_leave_the_records_byte_for_byte() {
    assert!(binary::is_stripped(&HOUSE.path("target/release/house")));
    assert_all_are_found(&HOUSE, "release");
}

#[test]
fn the_three_copies_are_one_text() {
    let binary = HOUSE.path("target/release/house");
    let file = HOUSE.read("target/release/hecate/greeter.manifest.json");

    assert!(binary::is_stripped(&binary));
    assert!(binary::manifests(&binary).contains(&file), "the section");
    let printed = output(Command::new(&binary).arg("manifest")).stdout;
    assert_eq!(String::from_utf8(printed).unwrap(), file, "what `house manifest` prints");
    let running = Running::start(&binary, "greeter");
    assert_eq!(String::from_utf8(running.get("/manifest.json")).unwrap(), file, "what the process serves");
    assert!(running.stop().success());

    assert_eq!(Manifest::parse_strict(&file).unwrap().to_json(), file, "what `hecate_om::manifest` writes");
}
