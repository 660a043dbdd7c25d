//! `check`: what is wrong with a project and its box, each with what to do.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::package::{Package, finding, is_alone, manifest};

#[test]
fn each_thing_that_is_wrong_is_told_with_what_to_do() {
    let package = Package::new(
        "ok     configuration  20 settings\nerror  health         8470 is taken; help: set HECATE_HEALTH_ADDR\n",
    );
    // Put together, so that this file holds none.
    package.write("house/deploy.pem", &format!("-----{} PRIVATE KEY-----\nMC4C\n", "BEGIN"));
    package.write("house/.env", "TOKEN=1\n");
    package.write("house/.gitignore", "/target\nCargo.lock\n");
    package.write("run/station/realm.key", "secret");
    fs::set_permissions(package.path("run"), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(package.path("run/station"), Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(package.path("run/station/realm.key"), Permissions::from_mode(0o644)).unwrap();
    assert_eq!(package.run(&["manifest"]).code, 0, "now there is a lock file, which git is to ignore");
    package.git(&["init", "--quiet"]);
    package.git(&["add", "."]);

    let told = package.run(&["check", "--json"]);
    assert_eq!(told.code, 1, "{told:?}");
    let told = told.json();
    for (level, area, words) in [
        ("ok", "project", "house 0.1.0, 0 capabilities"),
        ("note", "project", "does not keep manifest.json"),
        ("note", "project", "is not pinned"),
        ("note", "project", "is ignored by git"),
        ("note", "project", "is not locked"),
        ("error", "project", "deploy.pem is committed, and holds a private key"),
        ("error", "project", ".env is committed"),
        ("ok", "environment", "20 settings"),
        ("error", "environment", "8470 is taken"),
        ("error", "files", "is open to others (mode 0755)"),
        ("error", "files", "realm.key can be read by everybody (mode 0644)"),
    ] {
        let found = finding(&told, words);
        assert_eq!((found["level"].as_str(), found["area"].as_str()), (Some(level), Some(area)), "{found}");
        assert_eq!(found["help"].is_string(), level != "ok", "{found}");
    }
    let help = finding(&told, "does not keep manifest.json")["help"].as_str().unwrap();
    let checkout = fs::canonicalize(package.path(".")).unwrap();
    let add = format!("cargo add --build hecate-om-build --path {}/hecate-om/build, and write ", checkout.display());
    assert!(help.starts_with(&add), "{help}");
    assert_eq!(finding(&told, "8470 is taken")["help"], "set HECATE_HEALTH_ADDR");
    assert_eq!(told["errors"], 5);
    let text = package.run(&["check"]).stdout;
    for line in
        ["\nenvironment\n", "  ✗ secrets ", "  ! toolchain ", "  ✓ manifest ", "help: chmod 700 ", "\n5 wrong, "]
    {
        assert!(text.contains(line), "{line:?} in {text}");
    }
}

#[test]
fn where_all_is_well_nothing_is_to_be_done() {
    let package = Package::new("ok     configuration  20 settings\n");
    assert_eq!(package.run(&["manifest"]).code, 0);
    package.write("house/rust-toolchain.toml", "[toolchain]\n");
    let lock = r#"{"schema":"hecate.contract.lock/1","services":{"house":{"capabilities":[]}}}"#;
    package.write("house/contract.lock.json", &lock.replace("house", "barn"));
    let told = package.run(&["check", "--json"]).json();
    let found = finding(&told, "contract.lock.json does not know house");
    assert_eq!((&found["level"], &found["help"]), (&"error".into(), &"hecate-om lock --accept".into()));
    package.write("house/contract.lock.json", "{\"house\":{}}");
    assert_eq!(finding(&package.run(&["check", "--json"]).json(), "cannot be read")["level"], "error");
    package.write("house/contract.lock.json", lock);
    let rest = r#"{"name":"house.rest","version":2,"description":"Rests.","kind":"unary","timeout_ms":1000}"#;
    let empty = manifest("house", "Keeps rooms.");
    package.keep(&[&empty.replace("\"capabilities\": []", &format!("\"capabilities\": [{rest}]"))], &["house"]);
    let found = finding(&package.run(&["check", "--json"]).json(), "does not know house.rest@2 yet").clone();
    assert_eq!((&found["level"], &found["help"]), (&"note".into(), &"hecate-om lock --accept".into()));
    package.keep(&[&empty], &["house"]);
    let told = package.run(&["check"]);
    assert_eq!((told.code, &*told.stderr), (0, ""), "git says nothing, where there is no repository: {told:?}");
    assert!(told.stdout.ends_with("\nnothing is wrong, 1 to look at\n"), "{}", told.stdout);
    assert_eq!(package.run(&["check", "--strict"]).code, 1, "a note is one then");
    package.write("house/src/main.rs", "fn main() { nonsense }\n");
    let told = package.run(&["check", "--json"]);
    assert_eq!(told.code, 1);
    assert_eq!(finding(&told.json(), "does not build")["level"], "error");
    assert_eq!(package.run(&["check", "--no-build"]).code, 0);
}

#[test]
fn what_makes_a_package_one_of_a_service_is_told_to_be_typed() {
    let package = Package::new("");
    package.write(
        "house/Cargo.toml",
        "[package]\nname = \"house\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n",
    );
    let told = package.run(&["check", "--no-build", "--json"]);
    assert_eq!(told.code, 1, "{told:?}");
    let checkout = fs::canonicalize(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    for (words, add) in [
        ("does not depend on hecate-om", format!("cargo add hecate-om --path {}/hecate-om, ", checkout.display())),
        (
            "does not keep manifest.json",
            format!("cargo add --build hecate-om-build --path {}/hecate-om/build, ", checkout.display()),
        ),
    ] {
        let told = told.json();
        let help = finding(&told, words)["help"].as_str().unwrap();
        assert!(help.starts_with(&add), "{help}");
    }
}

#[test]
fn a_box_is_checked_without_a_project() {
    let package = Package::new("");
    let folder = package.path("run");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    assert!(is_alone(&folder));
    let shell = package.shell().within(&folder);
    assert_eq!(shell.run(&["check"]).code, 0);
    let told = shell.with("HECATE_RESOLVE", "moon").run(&["check", "--json"]);
    assert_eq!(told.code, 1);
    assert_eq!(finding(&told.json(), "HECATE_RESOLVE holds `moon`")["area"], "environment");
}
