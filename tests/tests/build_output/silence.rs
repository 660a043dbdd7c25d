//! Who leaves the manifest alone: all that makes nothing to run or to link.

use crate::package::Package;

const MANIFEST: &str = "target/debug/hecate/greeter.manifest.json";

const OTHERS: [(&str, &[&str]); 4] =
    [("check", &[]), ("clippy", &[]), ("doc", &["--no-deps"]), ("test", &["--no-run"])];

#[test]
fn check_clippy_doc_and_tests_write_nothing() {
    for package in [Package::greeter(), Package::greeter_without_build_script()] {
        for (command, arguments) in OTHERS {
            package.cargo(command, arguments);
            assert!(!package.has(MANIFEST), "cargo {command}");
        }
    }
}

#[test]
fn check_clippy_doc_and_tests_leave_the_manifest_as_built() {
    for package in [Package::greeter(), Package::greeter_without_build_script()] {
        package.build(&[]);
        let built = package.read(MANIFEST);
        package.edit("src/main.rs", "greeter.greet", "greeter.welcome");
        for (command, arguments) in OTHERS {
            package.cargo(command, arguments);
            assert_eq!(package.read(MANIFEST), built, "cargo {command}");
        }
        package.build(&[]);
        assert!(package.read(MANIFEST).contains("greeter.welcome"));
    }
}
