//! What a service gets from its context, as an operator sees it. What can go wrong with its secrets and
//! tasks is in `faults`.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use hecate_om::testing::Setup;
use hecate_om_tests::{Lab, Launch, block_on};
use rustix::process::Signal;

fn errand() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-errand"))
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The exit code and what was said of it, on one line.
fn refused(launch: Launch) -> (i32, String) {
    let (code, _, stderr) = launch.run(&[]);
    let line = stderr.strip_prefix("error: `start` of the service failed: ").unwrap_or_else(|| panic!("{stderr}"));
    let line = line.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{line}");
    (code, line.to_owned())
}

#[test]
fn a_secret_of_a_test_is_shown_no_more_than_any_other() {
    const CANARY: &str = "tr0ub4dor-and-three";
    let setup = Setup::<Lab>::new().secret("db", CANARY);
    let shown = format!("{setup:?}{setup:#?}");
    assert!(shown.contains("db") && !shown.contains(CANARY), "{shown}");
    let error = block_on(setup.secret("../db", CANARY).start()).err().unwrap();
    assert!(!format!("{error}{error:?}").contains(CANARY), "{error}");
}

#[test]
fn a_task_needs_a_name_of_its_own() {
    for (tasks, said) in [("a a", "there is a task `a` already; help: "), ("A", "`A` is no name of a task; help: ")] {
        let (code, line) = refused(errand().with("ERRAND_TASKS", tasks));
        assert!(code == 70 && line.starts_with(said), "{code} {line}");
    }
}

#[test]
fn a_check_of_the_service_is_shown_and_means_what_its_impact_says() {
    for (check_of, health) in [("bridge:degrading", "degraded"), ("bridge:info", "ok")] {
        let process = errand().with("ERRAND_CHECK", check_of).ready();
        let found = process.check("bridge").unwrap();
        assert_eq!(found["reason"], "the bridge is closed", "{found}");
        assert_eq!(process.probe("/health").json()["status"], health);
        assert_eq!(process.probe("/readyz").status, 200);
    }
    for name in ["Bridge", "service", "runtime.lag", "runtime.panics"] {
        let (code, line) = refused(errand().with("ERRAND_CHECK", format!("{name}:info")));
        assert!(code == 70 && line.contains(name) && line.contains("; help: "), "{code} {line}");
    }
}

#[test]
fn a_data_folder_is_made_for_its_service_alone_and_belongs_to_one_process() {
    let (first, second) = (errand(), errand());
    let folder = first.folder().join("state/errand");
    let data = folder.to_str().unwrap().to_owned();
    let mut process = first.with("HECATE_DATA_DIR", &data).with("ERRAND_DATA", "yes").ready();
    assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o7777, 0o700);
    assert_eq!(std::fs::read_to_string(folder.join("note")).unwrap(), "kept");

    let second = second.with("HECATE_DATA_DIR", &data).with("ERRAND_DATA", "yes");
    let (code, line) = refused(second.clone());
    let lock = folder.join(".lock");
    let holder = process.pid();
    assert_eq!(code, 75);
    assert_eq!(
        line,
        format!(
            "another process ({holder}) uses this folder: it holds {}; help: stop it, or set HECATE_DATA_DIR for this one",
            lock.display()
        )
    );
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0);
    drop(second.ready());
    assert_eq!(std::fs::read_to_string(folder.join("note")).unwrap(), "kept");
}

#[test]
fn a_data_folder_that_others_can_write_to_is_refused() {
    for (mode, code) in [(0o777, 77), (0o770, 77), (0o1777, 77), (0o755, 0), (0o700, 0)] {
        let launch = errand();
        let folder = launch.folder().join("data");
        std::fs::create_dir(&folder).unwrap();
        set_mode(&folder, mode);
        let launch = launch.with("HECATE_DATA_DIR", folder.to_str().unwrap()).with("ERRAND_DATA", "yes");
        if code == 0 {
            drop(launch.ready());
            continue;
        }
        let (found, line) = refused(launch);
        assert_eq!((found, line.ends_with(&format!("help: chmod 700 {}", folder.display()))), (code, true), "{line}");
    }
}

#[test]
fn a_data_folder_may_be_behind_a_link_that_an_operator_made() {
    let launch = errand();
    let (folder, link) = (launch.folder().join("private"), launch.folder().join("link"));
    DirBuilder::new().mode(0o700).create(&folder).unwrap();
    symlink(&folder, &link).unwrap();
    let _process = launch.with("HECATE_DATA_DIR", link.to_str().unwrap()).with("ERRAND_DATA", "yes").ready();
    assert!(folder.join("note").exists() && folder.join(".lock").exists());
}
