//! `manifest`: that of the service in this folder.

use serde_json::json;

use crate::Shell;
use crate::package::{Package, is_alone, manifest};

#[test]
fn the_manifest_is_that_of_the_build_which_follows_the_source() {
    let package = Package::new("");
    let first = manifest("house", "Keeps rooms.");
    let told = package.run(&["manifest"]);
    assert_eq!((told.code, &told.stdout), (0, &first), "{told:?}");
    assert_eq!(told.stderr, "", "how far a build is, only a terminal is told");
    let second = manifest("house", "Keeps halls.");
    package.keep(&[&second], &["house"]);
    assert_eq!(package.run(&["manifest"]).stdout, second, "what is stale is built");
    assert_eq!(package.run(&["manifest", "--json"]).json()["description"], "Keeps halls.");
    // From a folder within it, and from elsewhere.
    let within = package.shell().within(&package.path("house/src"));
    assert_eq!(within.run(&["manifest"]).stdout, second);
    let cargo_toml = package.path("house/Cargo.toml");
    let elsewhere = Shell::new("/").run(&["manifest", "--manifest-path", cargo_toml.to_str().unwrap()]);
    assert_eq!(elsewhere.stdout, second);
}

#[test]
fn of_several_services_one_is_chosen() {
    let package = Package::new("");
    let (house, yard) = (manifest("house", "Keeps rooms."), manifest("yard", "Keeps dogs."));
    package.keep(&[&house, &yard], &["yard"]);
    assert_eq!(package.run(&["manifest"]).stdout, yard, "the one that runs");
    assert_eq!(package.run(&["manifest", "--service", "house"]).stdout, house);
    package.keep(&[&house, &yard], &["yard", "house"]);
    let told = package.run(&["manifest"]);
    assert_eq!((told.code, &*told.stdout), (65, ""));
    assert!(
        told.stderr.contains("several services: house, yard") && told.stderr.contains("--service house"),
        "{}",
        told.stderr
    );
    let told = package.run(&["manifest", "--service", "barn"]);
    assert!(told.code == 65 && told.stderr.contains("there is no service `barn`"), "{told:?}");
}

#[test]
fn what_is_no_service_is_told_with_what_to_do() {
    let package = Package::new("");
    package.keep(&[], &[]);
    let told = package.run(&["manifest", "--json"]);
    assert_eq!(told.code, 65, "{told:?}");
    let failure: serde_json::Value = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!(failure["error"], json!("this package has no service"));

    package.write("house/src/main.rs", "fn main() { nonsense }\n");
    let told = package.run(&["manifest"]);
    assert_eq!(told.code, 70);
    assert!(told.stderr.contains("cannot find value `nonsense`"), "cargo says why: {}", told.stderr);

    package.write("all/Cargo.toml", "[workspace]\nresolver = \"3\"\n");
    let told = package.shell().within(&package.path("all")).run(&["manifest"]);
    assert!(told.code == 65 && told.stderr.contains("is that of a workspace"), "{told:?}");
    package.write("broken/Cargo.toml", "[package\n");
    assert_eq!(package.shell().within(&package.path("broken")).run(&["manifest"]).code, 65);
    let empty = package.path("run");
    std::fs::create_dir(&empty).unwrap();
    if is_alone(&empty) {
        let told = package.shell().within(&empty).run(&["manifest"]);
        assert!(told.code == 66 && told.stderr.contains("there is no Cargo.toml in "), "{told:?}");
    }
}

#[test]
fn only_a_program_that_runs_a_service_is_asked_for_its_contract() {
    let package = Package::new("");
    let house = manifest("house", "Keeps rooms.");
    let main = package.path("house/src/main.rs");
    let text = std::fs::read_to_string(&main).unwrap();
    let asked = text.replace("fn main() {", "fn main() { std::fs::write(\"asked\", \"\").unwrap();");
    package.write("house/src/main.rs", &asked);
    assert_eq!(package.run(&["manifest"]).code, 0);
    let program = package.path("house/target/debug/house");
    let diff = || package.run(&["diff", program.to_str().unwrap(), program.to_str().unwrap()]);
    let told = diff();
    assert!(told.code == 70 && told.stderr.contains("printed what is no contract"), "{told:?}");
    assert!(package.path("house/asked").exists());

    std::fs::remove_file(package.path("house/asked")).unwrap();
    package.keep(&[&house], &[]);
    assert_eq!(package.run(&["manifest"]).code, 0, "a service that it is linked with");
    let told = diff();
    assert!(!package.path("house/asked").exists(), "it was started");
    assert!(told.code == 65 && told.stderr.contains("house` is no contract: it is a program"), "{told:?}");
    let told = package.run(&["lock"]);
    assert!(told.code == 65 && told.stderr.contains("no program of package `house` runs a service"), "{told:?}");
    assert!(!package.path("house/asked").exists());
}

#[test]
fn what_is_rendered_of_no_manifest_is_told() {
    let package = Package::new("");
    for (file, code, what) in [
        ("nowhere.json", 66, "cannot read nowhere.json"),
        ("Cargo.toml", 65, "Cargo.toml is no manifest of a service"),
        ("src", 66, "cannot read src"),
    ] {
        let told = package.run(&["render", "quadlet", "--manifest", file]);
        assert_eq!((told.code, &*told.stdout), (code, ""), "{told:?}");
        assert!(told.stderr.contains(what), "{told:?}");
        assert!(
            told.stderr.ends_with("help: give the manifest.json of a build, or what `<service> manifest` printed\n"),
            "{told:?}"
        );
    }
}

#[test]
fn a_package_of_a_workspace_is_named_wherever_one_is_asked_for() {
    let package = Package::new("");
    package.write("Cargo.toml", "[workspace]\nmembers = [\"house\", \"runtime\"]\nresolver = \"3\"\n");
    let member = std::fs::read_to_string(package.path("house/Cargo.toml")).unwrap().replace("[workspace]\n", "");
    package.write("house/Cargo.toml", &member);
    let above = package.shell().within(&package.path("."));
    let house = manifest("house", "Keeps rooms.");
    assert_eq!(above.run(&["manifest", "-p", "house"]).stdout, house);
    assert!(above.run(&["render", "quadlet", "-p", "house"]).stdout.contains("ContainerName=house"));
    for command in [&["manifest"][..], &["check"], &["lock"], &["render", "k8s"], &["add", "capability", "rest"]] {
        let told = above.run(command);
        assert_eq!(told.code, 65, "{told:?}");
        assert!(told.stderr.contains("name one of its packages, such as `-p house`: "), "{told:?}");
    }
}
