//! What a service gets from its context: secrets, tasks and a data folder, as an operator sees them.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hecate_om::testing::Setup;
use hecate_om_tests::{Gate, Lab, Launch, Process, block_on, eventually};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::{Value, json};

/// What must be seen nowhere.
const CANARY: &str = "tr0ub4dor-and-three";

fn errand() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-errand"))
}

/// With a secrets folder that holds `db`.
fn with_secret(content: &[u8], mode: u32) -> (Launch, PathBuf) {
    let launch = errand();
    let folder = launch.folder().join("secrets");
    DirBuilder::new().mode(0o700).create(&folder).unwrap();
    let file = folder.join("db");
    std::fs::write(&file, content).unwrap();
    set_mode(&file, mode);
    let launch = launch.with("HECATE_SECRETS_DIR", folder.to_str().unwrap()).with("ERRAND_SECRET", "db");
    (launch, file)
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn check(process: &Process, name: &str) -> Option<Value> {
    let report = process.probe("/health").json();
    report["checks"].as_array()?.iter().find(|check| check["name"] == name).cloned()
}

/// The exit code and what was said of it, on one line, without the canary.
fn refused(launch: Launch) -> (i32, String) {
    let (code, stdout, stderr) = launch.run(&[]);
    let journal = launch.journal();
    for text in [&stdout, &stderr, &journal] {
        assert!(!text.contains(CANARY), "{text}");
    }
    let line = stderr.strip_prefix("error: `start` of the service failed: ").unwrap_or_else(|| panic!("{stderr}"));
    let line = line.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{line}");
    (code, line.to_owned())
}

#[test]
fn a_secret_is_known_to_the_service_and_to_nobody_else() {
    let (launch, _) = with_secret(format!("{CANARY}\n").as_bytes(), 0o600);
    let mut process = launch.with("HECATE_LOG", "trace").ready();
    let mut wire = process.wire();
    assert_eq!(wire.call("errand.guess", json!({"word": CANARY}).to_string()).status, 200);
    for word in ["", "tr0ub4dor", "tr0ub4dor-and-thref", "tr0ub4dor-and-three\n"] {
        assert_eq!(wire.call("errand.guess", json!({"word": word}).to_string()).code(), "wrong");
    }
    assert_eq!(check(&process, "secrets").unwrap()["status"], "ok");
    for path in ["/health", "/info", "/metrics", "/manifest.json"] {
        assert!(!String::from_utf8_lossy(&process.probe(path).body).contains(CANARY), "{path}");
    }
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0);
    let journal = process.launch.journal();
    assert!(journal.contains("Context(hecate-errand) Some(Secret(db))"), "{journal}");
    for text in [process.stdout(), process.stderr(), journal] {
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[test]
fn a_secret_that_cannot_be_had_ends_the_boot_with_the_file_and_the_way_out() {
    let canary = CANARY.as_bytes();
    for (mode, said) in [(0o640, "0640"), (0o604, "0604"), (0o644, "0644"), (0o620, "0620"), (0o666, "0666")] {
        let (launch, file) = with_secret(canary, mode);
        let file = file.display().to_string();
        let (code, line) = refused(launch);
        assert_eq!(line, format!("the secret {file} is open to others (mode {said}); help: chmod 600 {file}"));
        assert_eq!(code, 77);
    }
    for (content, said) in [
        (b"".to_vec(), "is empty"),
        ([canary, b"\0"].concat(), "holds NUL bytes"),
        ([canary, b"\xff"].concat(), "is no UTF-8 text"),
        (canary.repeat(5000), "is larger than 64 KiB"),
    ] {
        let (launch, file) = with_secret(&content, 0o600);
        let (code, line) = refused(launch);
        assert!(line.starts_with(&format!("the secret {} {said}; help: ", file.display())), "{line}");
        assert_eq!(code, 78, "{line}");
    }
    let (launch, file) = with_secret(canary, 0o600);
    std::fs::remove_file(&file).unwrap();
    let (code, line) = refused(launch);
    assert!(code == 66 && line.starts_with(&format!("the secret {} is missing; help: ", file.display())), "{line}");
    let (launch, _) = with_secret(canary, 0o600);
    let (code, line) = refused(launch.with("ERRAND_SECRET", "../db"));
    assert!(code == 70 && line.starts_with("this is no name of a secret; help: "), "{line}");
}

#[test]
fn a_pipe_a_folder_or_a_link_in_place_of_a_secret_never_keeps_the_boot() {
    type Make = fn(&Path);
    let kinds: [(&str, Make, i32); 4] = [
        ("no regular file", |path| mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap(), 78),
        ("no regular file", |path| std::fs::create_dir(path).unwrap(), 78),
        ("leads in circles", |path| symlink("db", path).unwrap(), 78),
        ("is a link out of its folder, to /dev/null", |path| symlink("/dev/null", path).unwrap(), 77),
    ];
    for (said, make, expected) in kinds {
        let (launch, file) = with_secret(b"x", 0o600);
        std::fs::remove_file(&file).unwrap();
        make(&file);
        let (code, line) = refused(launch);
        assert!(code == expected && line.contains(said), "{code} {line}");
    }
}

#[test]
fn a_secret_in_a_folder_where_others_may_replace_it_is_refused() {
    for (mode, fine) in [(0o777, false), (0o770, false), (0o1777, true)] {
        let (launch, file) = with_secret(b"x", 0o600);
        let folder = file.parent().unwrap();
        set_mode(folder, mode);
        if fine {
            drop(launch.ready());
        } else {
            let help = format!("chmod go-w {}", folder.display());
            let (code, line) = refused(launch);
            assert!(code == 77 && line.ends_with(&help), "{code} {line}");
        }
    }
}

#[test]
#[ignore = "needs root: it mounts a file system that is read-only"]
fn a_secret_of_a_container_engine_is_taken_and_told() {
    for (mode, group, expected) in [
        (0o444, 0, Ok(Some("a secret is readable by every user in this container"))),
        (0o440, 0, Ok(Some("a secret is readable by a group of this process"))),
        (0o400, 0, Ok(None)),
        (0o440, 4711, Err(77)),
    ] {
        let (launch, file) = with_secret(b"x", 0o600);
        let folder = file.parent().unwrap().display();
        let script = launch.folder().join("in-a-container");
        let program = env!("CARGO_BIN_EXE_hecate-errand");
        let mount = format!(
            "mount -t tmpfs none {folder} && echo {CANARY} > {folder}/db && chgrp {group} {folder}/db && \
             chmod {mode:o} {folder}/db && mount -o remount,ro {folder} && exec {program}"
        );
        std::fs::write(&script, format!("#!/bin/sh\nexec /usr/bin/unshare -m /bin/sh -c '{mount}'\n")).unwrap();
        set_mode(&script, 0o700);
        let inside = Launch::of(script.to_str().unwrap()).service("hecate-errand");
        let inside = inside.with("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").with("ERRAND_SECRET", "db");
        let inside = inside.with("HECATE_SECRETS_DIR", folder.to_string());
        match expected {
            Ok(said) => {
                let mut process = inside.ready();
                if let Some(said) = said {
                    let line = process.wait_for_log(said);
                    if mode == 0o444 {
                        assert_eq!(line["help"], "Secret=db,type=mount,mode=0400,uid=0");
                    }
                }
                assert!(said.is_some() || !process.stdout().contains("readable by"), "{}", process.stdout());
                assert_eq!(process.wire().call("errand.guess", json!({"word": CANARY}).to_string()).status, 200);
            }
            Err(code) => assert_eq!(refused(inside).0, code),
        }
    }
}

#[test]
#[ignore = "needs root: it gives a file to another user"]
fn a_secret_of_another_user_is_refused() {
    let (launch, file) = with_secret(CANARY.as_bytes(), 0o600);
    std::os::unix::fs::chown(&file, Some(4711), None).unwrap();
    let (code, line) = refused(launch);
    let file = file.display();
    assert_eq!(line, format!("the secret {file} belongs to user 4711, this process runs as 0; help: chown 0 {file}"));
    assert_eq!(code, 77);
}

#[test]
fn a_secret_of_a_test_is_shown_no_more_than_any_other() {
    let setup = Setup::<Lab>::new().secret("db", CANARY);
    let shown = format!("{setup:?}{setup:#?}");
    assert!(shown.contains("db") && !shown.contains(CANARY), "{shown}");
    let error = block_on(setup.secret("../db", CANARY).start()).err().unwrap();
    assert!(!format!("{error}{error:?}").contains(CANARY), "{error}");
}

#[test]
fn tasks_outlive_the_last_call_and_end_before_stop() {
    let mut process = errand().with("ERRAND_TASKS", "polite done").ready();
    let gate = Gate::closed();
    let mut wire = process.wire();
    wire.ask("POST", "/capabilities/errand.hold/v1", gate.request());
    gate.wait_for(1);
    for task in ["task.polite", "task.done"] {
        assert_eq!(check(&process, task).unwrap()["status"], "ok", "{task}");
    }
    process.signal(Signal::TERM);
    eventually("the drain", || (process.probe("/readyz").json()["status"] == "draining").then_some(()));
    // Long enough for a task that was told too early.
    std::thread::sleep(Duration::from_millis(200));
    assert!(!process.launch.journal().contains("polite ended"), "a call still needs it");
    gate.open();
    assert_eq!(wire.answer().status, 200);
    assert_eq!(process.exit_code(), 0, "{}", process.stdout());
    let journal = process.launch.journal();
    assert!(journal.ends_with("polite began\nheld\npolite ended\nstop\n"), "{journal}");
}

#[test]
fn a_task_that_does_not_end_is_aborted_and_named() {
    let mut process = errand().with("ERRAND_TASKS", "deaf polite").with("HECATE_STOP_TIMEOUT", "10s").ready();
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 75);
    let aborted: Vec<_> =
        process.log().into_iter().filter(|line| line["message"] == "task aborted: it did not end in time").collect();
    assert_eq!(aborted.len(), 1, "{aborted:?}");
    assert_eq!((&aborted[0]["task"], &aborted[0]["level"]), (&json!("deaf"), &json!("ERROR")));
    assert!(process.launch.journal().ends_with("polite ended\nstop\n"), "`stop` runs all the same");
}

#[test]
fn a_task_that_fails_is_told_and_does_not_take_the_service_with_it() {
    let mut process = errand().with("ERRAND_TASKS", "failing panicking").ready();
    for (task, code, said) in [("failing", "failed", "there is no such street"), ("panicking", "panic", "lost the way")]
    {
        let degraded = eventually("a second failure in health", || {
            let check = check(&process, &format!("task.{task}"))?;
            let reason = check["reason"].as_str()?;
            (!reason.starts_with("failed 1 time,") && reason.contains(said)).then_some(check)
        });
        assert_eq!((&degraded["status"], &degraded["code"]), (&json!("degraded"), &json!(code)), "{degraded}");
        let line = process.log().into_iter().find(|line| line["task"] == task && line["message"] == "task failed");
        let line = line.unwrap_or_else(|| panic!("{}", process.stdout()));
        assert!(line["reason"].as_str().unwrap().contains(said) && line["level"] == "ERROR", "{line}");
    }
    assert_eq!(process.probe("/readyz").status, 200, "degraded is ready");
    assert_eq!(process.wire().call("errand.guess", r#"{"word":""}"#).code(), "wrong");
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0, "{}", process.stdout());
}

#[test]
fn what_start_began_ends_with_it() {
    for (how, code) in [("fail:", 70), ("panic:", 70)] {
        let launch = errand().with("ERRAND_TASKS", "polite").with("ERRAND_START", how);
        let mut process = launch.start();
        assert_eq!(process.exit_code(), code, "{how}");
        assert!(process.launch.journal().ends_with("polite began\npolite ended\n"), "{}", process.launch.journal());
    }
    let gate = Gate::closed();
    let launch = errand().with("ERRAND_TASKS", "polite deaf").with("ERRAND_START", format!("wait:{}", gate.path()));
    let mut process = launch.start();
    gate.wait_for(1);
    process.signal(Signal::TERM);
    let begun = Instant::now();
    assert_eq!(process.exit_code(), 0);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(process.launch.journal().ends_with("polite began\npolite ended\n"), "{}", process.launch.journal());
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
        let found = check(&process, "bridge").unwrap();
        assert_eq!(found["reason"], "the bridge is closed", "{found}");
        assert_eq!(process.probe("/health").json()["status"], health);
        assert_eq!(process.probe("/readyz").status, 200);
    }
    for name in ["Bridge", "secrets", "service"] {
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
            "another process ({holder}) runs this service: it holds {}; help: stop it, or set HECATE_DATA_DIR for this one",
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
