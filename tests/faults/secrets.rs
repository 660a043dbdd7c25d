//! F3, F5, S4: secrets that cannot be had, that are replaced while they are used, and that nobody is told.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hecate_om_tests::{Launch, Process, Wire, eventually};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::json;

use crate::{assert_ends_well, errand, reload};

/// What must be seen nowhere.
const CANARY: &str = "tr0ub4dor-and-three";

/// With a secrets folder that holds `db`.
fn with_secret(content: &[u8], mode: u32) -> (Launch, PathBuf) {
    let launch = errand();
    let folder = launch.folder().join("secrets");
    DirBuilder::new().mode(0o700).create(&folder).unwrap();
    let file = folder.join("db");
    put(&file, content, mode);
    let launch = launch.with("HECATE_SECRETS_DIR", folder.to_str().unwrap()).with("ERRAND_SECRET", "db");
    (launch, file)
}

/// Replaces a file as a careful operator does.
fn put(file: &Path, content: &[u8], mode: u32) {
    let new = file.with_extension("new");
    std::fs::write(&new, content).unwrap();
    set_mode(&new, mode);
    std::fs::rename(&new, file).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
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

fn knows(wire: &mut Wire, word: &str) -> bool {
    let answer = wire.call("errand.guess", json!({"word": word}).to_string());
    assert!(answer.status == 200 || answer.code() == "wrong", "{answer:?}");
    answer.status == 200
}

fn assert_tells_nobody(process: &mut Process, canary: &str) {
    for path in ["/health", "/info", "/metrics", "/manifest.json"] {
        assert!(!String::from_utf8_lossy(&process.probe(path).body).contains(canary), "{path}");
    }
    assert_ends_well(process);
    for text in [process.stdout(), process.stderr(), process.launch.journal()] {
        assert!(!text.contains(canary), "{text}");
    }
}

#[test]
fn f3_a_secret_that_cannot_be_had_ends_boot_with_its_code_and_is_told_nowhere() {
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
fn f3_a_pipe_a_folder_or_a_link_in_place_of_a_secret_never_keeps_the_boot() {
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
fn f3_a_secret_in_a_folder_where_others_may_replace_it_is_refused() {
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
fn f3_a_secret_of_a_container_engine_is_taken_and_told() {
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
fn f3_a_secret_of_another_user_is_refused() {
    let (launch, file) = with_secret(CANARY.as_bytes(), 0o600);
    std::os::unix::fs::chown(&file, Some(4711), None).unwrap();
    let (code, line) = refused(launch);
    let file = file.display();
    assert_eq!(line, format!("the secret {file} belongs to user 4711, this process runs as 0; help: chown 0 {file}"));
    assert_eq!(code, 77);
}

#[test]
fn s4_a_secret_is_known_to_the_service_and_to_nobody_else() {
    let (launch, _) = with_secret(format!("{CANARY}\n").as_bytes(), 0o600);
    let mut process = launch.with("HECATE_LOG", "trace").ready();
    let mut wire = process.wire();
    assert_eq!(wire.call("errand.guess", json!({"word": CANARY}).to_string()).status, 200);
    for word in ["", "tr0ub4dor", "tr0ub4dor-and-thref", "tr0ub4dor-and-three\n"] {
        assert_eq!(wire.call("errand.guess", json!({"word": word}).to_string()).code(), "wrong");
    }
    assert_eq!(process.check("secrets").unwrap()["status"], "ok");
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

/// Tells threads to end, also when their test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn f5_a_secret_that_is_replaced_under_load_is_used_and_garbage_is_not() {
    let (launch, file) = with_secret(b"one", 0o600);
    let mut process = launch.with("HECATE_LOG", "trace").ready();
    let (over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let socket = process.socket();
    std::thread::scope(|scope| {
        let _over = Over(&over);
        for _ in 0..4 {
            scope.spawn(|| {
                let mut wire = Wire::unix(&socket);
                while !over.load(Ordering::Relaxed) {
                    // Whichever it is by now: the answer is one of the two, and never an error.
                    knows(&mut wire, "one");
                    calls.fetch_add(1, Ordering::Relaxed);
                    // Each leaves lines of all levels, of which none may hold a secret.
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let begun = |many: usize| eventually("calls", || (calls.load(Ordering::Relaxed) >= many).then_some(()));
        begun(100);
        put(&file, b"two\n", 0o600);
        assert!(knows(&mut process.wire(), "one"), "nobody said that it changed");
        reload(&mut process);
        assert!(knows(&mut process.wire(), "two") && !knows(&mut process.wire(), "one"));

        let garbage = format!("{CANARY}\0");
        let none: Option<(&[u8], u32)> = None;
        for (content, said) in [
            (Some((garbage.as_bytes(), 0o600)), "holds NUL bytes"),
            (Some((CANARY.as_bytes(), 0o644)), "chmod 600"),
            (Some((b"", 0o600)), "is empty"),
            (none, "is missing"),
        ] {
            match content {
                Some((content, mode)) => put(&file, content, mode),
                None => std::fs::remove_file(&file).unwrap(),
            }
            reload(&mut process);
            let found = process.check("secrets").unwrap();
            assert_eq!(found["status"], "degraded", "{said}: {found}");
            assert!(found["reason"].as_str().unwrap().contains(said), "{found}");
            assert_eq!(process.probe("/readyz").status, 200, "degraded is ready");
            assert!(knows(&mut process.wire(), "two"), "{said}: the old one is kept");
        }
        put(&file, b"three", 0o600);
        reload(&mut process);
        assert_eq!(process.check("secrets").unwrap()["status"], "ok");
        assert!(knows(&mut process.wire(), "three"));
        begun(calls.load(Ordering::Relaxed) + 100);
    });
    assert_tells_nobody(&mut process, CANARY);
}

/// What Kubernetes does: the files are links into a folder that one rename replaces.
#[test]
fn f5_a_secret_that_kubernetes_replaces_is_used() {
    let (launch, file) = with_secret(b"x", 0o600);
    std::fs::remove_file(&file).unwrap();
    let folder = file.parent().unwrap();
    let publish = |version: &str, word: &str| {
        let new = folder.join(version);
        DirBuilder::new().mode(0o755).create(&new).unwrap();
        put(&new.join("db"), word.as_bytes(), 0o600);
        symlink(version, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    publish("..2026_01", "one");
    symlink("..data/db", &file).unwrap();
    let mut process = launch.ready();
    assert!(knows(&mut process.wire(), "one"));
    publish("..2026_02", "two");
    std::fs::remove_dir_all(folder.join("..2026_01")).unwrap();
    reload(&mut process);
    assert!(knows(&mut process.wire(), "two"), "{}", process.stdout());
    assert_eq!(process.check("secrets").unwrap()["status"], "ok");
    assert_ends_well(&mut process);
}
