//! S1, S3: names and texts that a caller chose, on their way to tables, logs and terminals.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use hecate_om_tests::{Launch, Wire, eventually};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::{assert_answers, assert_ends_well, lab};

/// What somebody may write for a name; what is not percent-encoded goes over the wire as it is.
const NAMES: [&str; 15] = [
    "../x",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "lab.say%00",
    "lab.say%0a",
    "lab.say%0d%0aset-cookie:%20a=b",
    "$(id)",
    "%i",
    "{{7*7}}",
    "';exit;'",
    "%e2%80%ae.yas.bal",
    "-rf",
    "lab.say@1",
    "LAB.SAY",
    "CON",
];

#[test]
fn s1_a_name_that_no_capability_has_is_unknown_and_comes_back_escaped() {
    let process = lab().ready();
    let mut wire = process.wire();
    for name in NAMES {
        let answer = wire.call(name, "{}");
        assert!(matches!(answer.status, 400 | 404), "{name}: {answer:?}");
        assert!(!answer.code().is_empty() && answer.header("set-cookie").is_none(), "{name}: {answer:?}");
        let shown = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(shown.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{name}: {shown:?}");
    }
    // What no URI may hold ends the connection, not the service.
    for name in ["lab.say\0", "lab.say\n", "lab say", "`id`", "\u{202e}yas.bal"] {
        let mut wire = process.wire();
        wire.ask("POST", &format!("/capabilities/{name}/v1"), "{}");
        if let Some(answer) = wire.try_answer() {
            assert!(matches!(answer.status, 400 | 404), "{name:?}: {answer:?}");
        }
    }
    let answer = wire.call(&"x".repeat(10 * 1024), "{}");
    assert!(answer.body.len() < 1024, "ten KiB are not echoed");
    assert_answers(&process);
}

#[test]
fn s1_call_takes_no_name_that_could_be_anything_else() {
    let process = lab().ready();
    let long = "x".repeat(10 * 1024);
    let hostile = ["../x", "lab.say\n", "$(id)", "`id`", "%i", "lab.say/v1?", "\u{202e}yas.bal", "\u{1b}[31m", "", " "];
    for name in hostile {
        for call in [name.to_owned(), format!("{name}@1")] {
            let (code, stdout, stderr) = process.launch.run(&["call", &call, "{}"]);
            assert_eq!((code, stdout.as_str()), (64, ""), "{call:?}: {stderr}");
            assert_is_one_escaped_line(&stderr);
        }
    }
    for name in [long.as_str(), "..", "CON"] {
        let (code, _, stderr) = process.launch.run(&["call", name, "{}"]);
        assert_eq!(code, 1, "{name}: {stderr}");
        assert!(stderr.contains("unknown_capability") && stderr.len() < 1024, "{stderr}");
    }
    // A word that looks like an option is one, and there is none of that name.
    let (code, _, stderr) = process.launch.run(&["call", "-rf"]);
    assert_eq!(code, 64, "{stderr}");
    assert_answers(&process);
}

fn assert_is_one_escaped_line(text: &str) {
    let line = text.strip_suffix('\n').expect("a line");
    assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line:?}");
}

/// A service whose callers choose what it logs.
fn verbose() -> Launch {
    lab().with("HECATE_LOG", "debug")
}

#[test]
fn s3_a_text_of_a_caller_is_escaped_in_the_log() {
    let process = verbose().ready();
    let hostile = "a\n{\"level\":\"ERROR\",\"message\":\"forged\"}\r\n\u{1b}[2J\u{1b}]0;x\u{7}\0\u{202e}";
    let answer = process.wire().call("lab.fail_for", json!({"text": hostile}).to_string());
    assert_eq!(answer.code(), "internal");
    let line = eventually("the line", || process.log().into_iter().find(|line| line["level"] == "ERROR"));
    assert_eq!(line["error"], hostile, "the log has it as it was");
    let stdout = process.stdout();
    assert!(stdout.chars().all(|c| !c.is_control() || c == '\n'), "{stdout:?}");
    for line in stdout.lines() {
        let line: Value = serde_json::from_str(line).expect("each line is one document");
        assert_ne!(line["message"], "forged");
    }
}

#[test]
fn s3_a_text_of_a_caller_is_escaped_on_a_terminal() {
    let (mut terminal, line) = terminal();
    let mut process = lab().with("NO_COLOR", "1").start_writing_to(line.into(), Stdio::null());
    let shown = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&shown);
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = terminal.read(&mut chunk) {
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
    });
    eventually("the banner", || shown.lock().unwrap().contains("is ready in").then_some(()));
    for text in ["\u{1b}[2J\u{1b}]0;x\u{7}", "a\nforged", "a\rforged"] {
        let answer = process.wire().call("lab.fail_for", json!({"text": text}).to_string());
        let id = answer.json()["call_id"].as_str().unwrap().to_owned();
        let line = eventually("the line", || {
            let shown = shown.lock().unwrap();
            shown.lines().find(|line| line.contains(&id)).map(str::to_owned)
        });
        assert!(!line.trim_end().chars().any(char::is_control), "{line:?}");
    }
    assert!(!shown.lock().unwrap().lines().any(|line| line.trim_start().starts_with("forged")));
    assert_ends_well(&mut process);
}

/// A terminal, and the line that leads to it.
fn terminal() -> (File, File) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let line = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    (File::from(terminal), File::options().write(true).open(line).unwrap())
}

#[test]
fn s3_a_name_of_a_caller_is_escaped_in_the_log() {
    let process = lab().with("HECATE_LOG", "trace").ready();
    let mut wire = process.wire();
    for name in NAMES {
        wire.call(name, "{}");
    }
    assert_answers(&process);
    let stdout = process.stdout();
    assert!(stdout.chars().all(|c| !c.is_control() || c == '\n'), "{stdout:?}");
}

#[test]
fn s3_a_megabyte_in_an_error_drowns_no_log_and_no_service() {
    let process = verbose().ready();
    let mut wire = process.wire();
    let text = json!({"text": "x".repeat((1 << 20) - 100)}).to_string();
    for _ in 0..20 {
        assert_eq!(wire.call("lab.fail_for", &text).code(), "internal");
    }
    assert_eq!(wire.call("lab.fail", "").code(), "internal");
    eventually("the next line", || process.log().into_iter().find(|line| line["error"] == "the inside"));
    assert_eq!(Wire::tcp(process.health_address()).get("/livez").status, 200);
    assert!(process.stdout().len() < 8 << 20, "{} bytes of log", process.stdout().len());
}
