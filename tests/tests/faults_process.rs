//! What a process meets on a real box: another of its kind, files of others, a crash, nobody who reads
//! what it prints.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hecate_om_tests::lab::INSIDE;
use hecate_om_tests::wire::head;
use hecate_om_tests::{Gate, Launch, Process, Wire, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};

fn lab() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-lab"))
}

fn assert_answers(process: &Process) {
    assert_eq!(process.wire().call("lab.say", r#"{"text":"a"}"#).status, 200);
}

fn assert_ends_well(process: &mut Process) {
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0, "{}", process.stdout());
}

/// Starts what must not start; returns what it says.
fn refused(launch: Launch, code: i32) -> String {
    let (found, _, stderr) = launch.run(&[]);
    assert_eq!(found, code, "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains("help: "), "{stderr}");
    stderr
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn only_its_user_can_reach_a_service() {
    let process = lab().ready();
    assert_eq!(mode(&process.socket()), 0o600);
    let home = process.launch.home();
    for folder in [home.parent().unwrap(), &home, &home.join("sockets"), &home.join("run")] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    assert_eq!(mode(&home.join("run/lock")), 0o600);
}

#[test]
fn a_second_instance_names_the_first_and_leaves_it_alone() {
    let mut first = lab().ready();
    let stderr = refused(first.launch.clone(), 75);
    assert!(stderr.contains(&format!("another process ({})", first.pid())), "{stderr}");
    assert!(first.socket().exists() && first.health_file().exists());
    assert_answers(&first);
    assert_ends_well(&mut first);
}

#[test]
fn after_a_crash_the_next_start_is_clean_whenever_it_came() {
    let launch = lab();
    for round in 0..12 {
        let mut process = launch.clone().start();
        match round % 4 {
            // Anywhere in boot; what is waited for is time itself.
            0 | 1 => std::thread::sleep(Duration::from_millis(round)),
            2 => drop(process.wait_for_log("ready")),
            _ => {
                process.wait_for_log("ready");
                process.signal(Signal::TERM);
            }
        }
        process.signal(Signal::KILL);
        process.exit_code();
        let mut next = launch.clone().ready();
        assert_answers(&next);
        assert_eq!(next.probe("/readyz").status, 200);
        assert_ends_well(&mut next);
    }
}

#[test]
fn a_socket_that_a_dead_process_left_is_replaced() {
    let mut dead = lab().ready();
    dead.signal(Signal::KILL);
    assert_eq!(dead.exit_code(), -9);
    assert!(dead.socket().exists(), "nobody could clean up");
    let (code, _, stderr) = dead.launch.run(&["call", "lab.nothing"]);
    assert_eq!(code, 2, "{stderr}");
    let mut next = dead.launch.clone().ready();
    assert_answers(&next);
    assert_ends_well(&mut next);
}

#[test]
fn a_runtime_folder_that_others_can_enter_is_refused_with_the_fix() {
    let launch = lab();
    let folder = launch.folder().join("run");
    for open in [0o755, 0o750, 0o701, 0o1777] {
        fs::remove_dir_all(&folder).ok();
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(open)).unwrap();
        let stderr = refused(launch.clone(), 77);
        assert!(stderr.contains(&format!("chmod 700 {}", folder.display())), "{stderr}");
        assert!(!launch.home().exists());
    }
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    let mut process = launch.clone().ready();
    assert_ends_well(&mut process);

    fs::set_permissions(launch.home().join("sockets"), Permissions::from_mode(0o755)).unwrap();
    let stderr = refused(launch.clone(), 77);
    assert!(stderr.contains(&format!("chmod 700 {}", launch.home().join("sockets").display())), "{stderr}");
}

#[test]
fn a_runtime_folder_behind_a_link_is_refused_however_it_is_spelled() {
    let launch = lab();
    let (folder, link) = (launch.folder().join("real"), launch.folder().join("link"));
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    symlink(&folder, &link).unwrap();
    for spelled in ["link", "link/", "link/.", "link//"] {
        let place = format!("{}/{spelled}", launch.folder().display());
        let stderr = refused(launch.clone().with("HECATE_RUNTIME_DIR", place), 77);
        assert!(stderr.contains("is a link"), "{spelled}: {stderr}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing was made behind it");

    // A folder inside that is a link is no better.
    symlink("/tmp", folder.join("hecate-lab")).unwrap();
    let stderr = refused(launch.clone().with("HECATE_RUNTIME_DIR", folder.to_str().unwrap()), 77);
    assert!(stderr.contains("is a link"), "{stderr}");
}

#[test]
fn a_runtime_folder_of_somebody_else_is_refused() {
    let launch = lab();
    let folder = launch.folder().join("run");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    // Only root can give a folder away; everybody else finds one that is root's.
    let place = if std::os::unix::fs::chown(&folder, Some(65534), None).is_ok() { &folder } else { Path::new("/usr") };
    let stderr = refused(launch.with("HECATE_RUNTIME_DIR", place.to_str().unwrap()), 77);
    assert!(stderr.contains("belongs to user") && stderr.contains("HECATE_RUNTIME_DIR"), "{stderr}");
}

#[test]
fn a_path_that_no_socket_can_have_is_refused_before_anything_is_made() {
    let launch = lab();
    let long = launch.folder().join("x".repeat(100));
    let stderr = refused(launch.clone().with("HECATE_RUNTIME_DIR", long.to_str().unwrap()), 78);
    assert!(stderr.contains("bytes long, the kernel takes 107"), "{stderr}");
    assert!(stderr.contains("HECATE_RUNTIME_DIR to a shorter folder"), "{stderr}");
    assert!(!long.exists());
}

#[test]
fn what_is_in_the_way_is_named_and_not_removed() {
    let launch = lab();
    let mut process = launch.clone().ready();
    assert_ends_well(&mut process);
    let socket = launch.home().join("sockets/api.sock");
    fs::write(&socket, "precious").unwrap();
    let stderr = refused(launch.clone(), 73);
    assert!(stderr.contains(socket.to_str().unwrap()) && stderr.contains("is no socket"), "{stderr}");
    assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");

    let file = launch.folder().join("file");
    fs::write(&file, "precious").unwrap();
    let stderr = refused(launch.clone().with("HECATE_RUNTIME_DIR", file.to_str().unwrap()), 77);
    assert!(stderr.contains("is no folder"), "{stderr}");
}

#[test]
fn a_panic_is_logged_once_with_its_call_and_its_place() {
    let mut process = lab().ready();
    for how in ["early", "late", "no_text", "evil", "drop", "locked", "twice"] {
        let answer = process.wire().call("lab.fall", json!({"how": how}).to_string());
        let id = answer.json()["call_id"].as_str().unwrap().to_owned();
        let line = only_line_of(&process, |line| line["call_id"] == id.as_str());
        assert_eq!((&line["level"], &line["message"]), (&json!("ERROR"), &json!("handler panicked")));
        assert_eq!((&line["capability"], &line["capability_version"]), (&json!("lab.fall"), &json!(1)));
        // One that comes without a place must not be given that of an earlier one.
        let place = if how == "twice" { "unknown place" } else { "src/lab.rs:" };
        assert!(line["at"].as_str().unwrap().contains(place), "{how}: {line}");
        assert!(matches!(how, "no_text" | "evil") || line["panic"] == INSIDE, "{how}: {line}");
    }
    let answer = process.wire().call("lab.fail", "");
    let id = answer.json()["call_id"].as_str().unwrap().to_owned();
    let line = only_line_of(&process, |line| line["call_id"] == id.as_str());
    assert_eq!((&line["level"], &line["error"]), (&json!("ERROR"), &json!(INSIDE)), "the inside is for the log");
    assert_ends_well(&mut process);
    assert_eq!(process.stderr(), "", "the log has it all");
}

#[test]
fn a_panic_is_logged_though_its_caller_has_gone() {
    let process = lab().ready();
    let gate = Gate::closed();
    let mut gone = process.wire();
    gone.ask("POST", "/capabilities/lab.hold_and_break/v1", gate.request());
    gate.wait_for(1);
    drop(gone);
    gate.open();
    only_line_of(&process, |line| line["capability"] == "lab.hold_and_break");
    assert_answers(&process);
}

fn only_line_of(process: &Process, fits: impl Fn(&Value) -> bool) -> Value {
    let lines = eventually("a line in the log", || {
        let lines: Vec<_> = process.log().into_iter().filter(|line| fits(line)).collect();
        (!lines.is_empty()).then_some(lines)
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

#[test]
fn a_service_goes_on_when_nobody_reads_what_it_prints() {
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let mut process = lab().with("HECATE_LOG", "trace").start_writing_to(closed(), closed());
    eventually("readiness", || {
        (process.health_file().exists() && process.probe("/readyz").status == 200).then_some(())
    });
    let mut wire = process.wire();
    for _ in 0..3 {
        assert_eq!(wire.call("lab.fall", r#"{"how":"late"}"#).status, 500);
        assert_eq!(wire.call("lab.say", r#"{"text":"a"}"#).status, 200);
        assert_eq!(Wire::tcp(process.health_address()).get("/livez").status, 200);
    }
    assert_ends_well(&mut process);
}

#[test]
fn a_service_goes_on_when_whoever_reads_its_log_stalls() {
    let (mut log, writer) = std::io::pipe().unwrap();
    // Only what somebody asked for is written without limit.
    let mut process = lab().with("HECATE_LOG", "debug").start_writing_to(writer.into(), Stdio::null());
    eventually("readiness", || {
        (process.health_file().exists() && process.probe("/readyz").status == 200).then_some(())
    });
    // More than the pipe holds, and more than the service keeps.
    let mut wire = process.wire();
    for _ in 0..2000 {
        assert_eq!(wire.call("lab.take", r#"{"items":1}"#).status, 400);
    }
    assert_eq!(process.probe("/livez").status, 200);

    // What was lost is told as soon as somebody reads again.
    let read = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&read);
    let reader = std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = log.read(&mut chunk) {
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
    });
    eventually("the lines that were dropped", || read.lock().unwrap().contains("log lines were dropped").then_some(()));
    assert_ends_well(&mut process);
    reader.join().unwrap();
    let read = read.lock().unwrap();
    let lines: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("whole lines")).collect();
    let count = |message: &str| lines.iter().filter(|line| line["message"] == message).count() as u64;
    let dropped = lines.iter().filter_map(|line| line["lines"].as_u64()).sum::<u64>();
    assert!(dropped > 0);
    assert_eq!(count("call refused") + dropped, 2000, "each is there or counted");
    assert_eq!(count("stopped"), 1, "the end is in the log");
}

#[test]
fn a_service_ends_though_whoever_reads_its_log_stalls() {
    for comes_back in [false, true] {
        let (mut log, writer) = std::io::pipe().unwrap();
        let mut process = lab().with("HECATE_LOG", "debug").start_writing_to(writer.into(), Stdio::null());
        eventually("readiness", || {
            (process.health_file().exists() && process.probe("/readyz").status == 200).then_some(())
        });
        // More than the pipe holds, and less than the service keeps.
        let mut wire = process.wire();
        for _ in 0..500 {
            assert_eq!(wire.call("lab.take", r#"{"items":1}"#).status, 400);
        }
        process.signal(Signal::TERM);
        let reader = comes_back.then(|| {
            eventually("the end of the drain", || (!process.health_file().exists()).then_some(()));
            std::thread::spawn(move || {
                let mut text = String::new();
                log.read_to_string(&mut text).unwrap();
                text
            })
        });
        assert_eq!(process.exit_code(), 0);
        assert_eq!(process.launch.journal(), "start\nstarted\nstop\n");
        if let Some(reader) = reader {
            let text = reader.join().unwrap();
            assert_eq!(text.matches("call refused").count(), 500);
            assert!(text.ends_with('\n') && text.contains(r#""message":"stopped""#), "the end is in the log");
        }
    }
}

#[test]
fn few_files_do_not_silence_health() {
    let process = lab().files(128).ready();
    let gate = Gate::closed();
    let mut callers: Vec<_> = (0..150).map(|_| Wire::unix(process.socket())).collect();
    for caller in &mut callers {
        let body = gate.request();
        let _ = caller.try_send(head("POST", "/capabilities/lab.hold/v1", body.len()) + &body);
    }
    gate.wait_for(16);
    for _ in 0..20 {
        assert_eq!(process.probe("/livez").status, 200);
    }
    gate.open();
    drop(callers);
    assert_eq!(Wire::unix(process.socket()).call("lab.say", r#"{"text":"a"}"#).status, 200);
}
