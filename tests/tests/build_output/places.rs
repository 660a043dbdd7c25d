//! In which folder the manifest is found.

use crate::package::{BUILD_SCRIPT, Package, cargo_toml, member_toml, program, service};
use crate::{binary, dependencies};

const MANIFEST: &str = "target/debug/hecate/greeter.manifest.json";

#[test]
fn a_build_leaves_the_manifest_beside_what_it_built() {
    let package = Package::greeter_without_build_script();
    package.build(&[]);
    assert_eq!(binary::manifests(&package.path("target/debug/greeter")), [package.read(MANIFEST)]);
}

#[test]
fn a_build_with_the_build_script_leaves_it_there_too() {
    let package = Package::greeter();
    package.build(&[]);
    assert_eq!(binary::manifests(&package.path("target/debug/greeter")), [package.read(MANIFEST)]);
}

#[test]
fn a_target_folder_that_was_asked_for_holds_the_manifest() {
    for script in ["fn main() {}", BUILD_SCRIPT] {
        let package = Package::bare();
        package.write("Cargo.toml", &cargo_toml("greeter"));
        package.write("src/main.rs", &program("greeter"));
        package.write("build.rs", script);
        dependencies::provide(&package.path("else where"));
        package.build(&["--target-dir", "else where"]);
        assert!(package.has("else where/debug/hecate/greeter.manifest.json"), "{script}");
        assert!(!package.has("target"));
    }
}

#[test]
fn a_build_folder_apart_from_the_target_folder_holds_the_manifest() {
    for script in ["fn main() {}", BUILD_SCRIPT] {
        let package = Package::bare();
        package.write("Cargo.toml", &cargo_toml("greeter"));
        package.write("src/main.rs", &program("greeter"));
        package.write("build.rs", script);
        package.write(".cargo/config.toml", "[build]\nbuild-dir = \"made\"\n");
        dependencies::provide(&package.path("made"));
        package.build(&[]);
        assert!(package.has("made/debug/hecate/greeter.manifest.json"), "{script}");
        assert!(package.has("target/debug/greeter"));
        assert!(!package.has("target/debug/hecate"));
    }
}

#[test]
fn the_services_of_a_workspace_share_one_folder() {
    let package = Package::new();
    package.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"services/*\"]\n");
    for (name, script) in [("greeter", "fn main() {}"), ("porter", BUILD_SCRIPT)] {
        package.write(&format!("services/{name}/Cargo.toml"), &member_toml(name));
        package.write(&format!("services/{name}/src/main.rs"), &program(name));
        package.write(&format!("services/{name}/build.rs"), script);
    }
    package.build(&[]);
    for name in ["greeter", "porter"] {
        let text = package.read(&format!("target/debug/hecate/{name}.manifest.json"));
        assert_eq!(binary::manifests(&package.path(&format!("target/debug/{name}"))), [text]);
        assert!(!package.has(&format!("services/{name}/target")));
    }
}

#[test]
fn each_binary_of_a_package_has_its_own() {
    let package = Package::new();
    package.write("Cargo.toml", &cargo_toml("services"));
    for name in ["greeter", "porter"] {
        package.write(&format!("src/bin/{name}.rs"), &program(name));
    }
    package.build(&[]);
    for name in ["greeter", "porter"] {
        let text = package.read(&format!("target/debug/hecate/{name}.manifest.json"));
        assert!(text.contains(&format!("\"callback_module\": \"{name}::Greeter\"")), "{text}");
        assert_eq!(binary::manifests(&package.path(&format!("target/debug/{name}"))), [text]);
    }
}

#[test]
fn a_service_in_an_example_has_its_manifest() {
    let package = Package::new();
    package.write("Cargo.toml", &cargo_toml("services"));
    package.write("src/lib.rs", &service("porter"));
    package.write("examples/greeter.rs", &program("greeter"));
    package.build(&["--examples"]);
    assert_eq!(binary::manifests(&package.path("target/debug/examples/greeter")), [package.read(MANIFEST)]);
}

#[test]
fn a_folder_that_cannot_be_made_does_not_fail_a_build() {
    for script in ["fn main() {}", BUILD_SCRIPT] {
        let package = Package::greeter();
        package.write("build.rs", script);
        package.write("target/debug/hecate", "in the way");
        let build = package.build(&[]);
        assert_eq!(build.told.contains("manifest.json is not kept in "), script == BUILD_SCRIPT, "{}", build.told);
        assert_eq!(binary::manifests(&package.path("target/debug/greeter")).len(), 1);
    }
}

#[test]
fn a_file_that_cannot_be_replaced_does_not_fail_a_build() {
    let package = Package::greeter();
    package.write(&format!("{MANIFEST}/in/the/way"), "");
    package.build(&[]);
    let left: Vec<_> = package.path("target/debug/hecate").read_dir().unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(left.len(), 1, "nothing half written stays: {left:?}");
}
