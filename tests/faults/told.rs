//! D5, S3, S4: what a service tells of itself cannot be forged, flooded or made to tell a secret.

use std::process::Stdio;

use hecate_om_tests::lab::INSIDE;
use hecate_om_tests::{Gate, Launch, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{assert_ends_well, lab, library};

#[test]
fn s4_no_secret_of_an_environment_or_a_request_leaves_the_process() {
    const OF_ENVIRONMENT: &str = "canary-4f1d-environment";
    const OF_REQUEST: &str = "canary-9b2e-request";
    let mut process = lab()
        .with("LIBRARY_TOKEN", OF_ENVIRONMENT)
        .with("LAB_PASSWORD", OF_ENVIRONMENT)
        .with("HECATE_LOG", "trace")
        .with("LAB_HEALTH", "degraded")
        .ready();
    let text = json!({"text": OF_REQUEST}).to_string();
    let gate = Gate::closed();
    let mut waiting: Value = serde_json::from_str(&gate.request()).unwrap();
    waiting["token"] = json!(OF_REQUEST);
    let calls = [
        ("lab.say", text.clone()),
        ("lab.take", json!({"items": [], "note": OF_REQUEST}).to_string()),
        ("lab.take", json!({"items": OF_REQUEST}).to_string()),
        ("lab.take", json!({"items": [{"price": OF_REQUEST}]}).to_string()),
        ("lab.take", json!({"items": [{"price": 1, "tags": {OF_REQUEST: 3}}]}).to_string()),
        ("lab.take", format!("{{\"items\": [{OF_REQUEST}")),
        ("lab.fall", json!({"how": "late", "token": OF_REQUEST}).to_string()),
        ("lab.fall", json!({"how": OF_REQUEST}).to_string()),
        ("lab.fail", text.clone()),
        ("lab.garble", text.clone()),
        ("lab.hurry", waiting.to_string()),
        ("lab.unknown", text.clone()),
    ];
    let mut bodies = String::new();
    for (capability, body) in calls {
        bodies += &String::from_utf8_lossy(&process.wire().call(capability, body).body);
    }
    let mut broken = process.wire();
    broken.send(format!("POST /capabilities/lab.say/v1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OF_REQUEST}\r\n"));
    broken.send(format!("cookie: {OF_REQUEST}\r\ncontent-length: 100\r\n\r\n{OF_REQUEST}"));
    drop(broken);
    let mut malformed = process.wire();
    let _ = malformed.try_send(format!("GET /\u{1} {OF_REQUEST} HTTP/1.1\r\n\r\n"));
    let _ = malformed.try_answer();

    let mut told = String::new();
    for path in ["/health", "/metrics", "/info", "/manifest.json", "/livez", "/readyz", "/startupz", "/nothing"] {
        told += &String::from_utf8_lossy(&process.probe(path).body);
    }
    let mut wire = process.wire();
    for path in ["/openapi.json", "/capabilities", "/nothing"] {
        told += &String::from_utf8_lossy(&wire.get(path).body);
    }
    for command in ["config", "manifest", "contract", "--help"] {
        let (_, out, err) = process.launch.run(&[command]);
        told += &(out + &err);
    }
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0);
    let log = process.stdout() + &process.stderr();
    assert!(log.contains("handler panicked") && log.contains("call refused") && log.contains(INSIDE));
    assert!(told.contains("hecate_build_info") && told.contains("degraded"));
    for canary in [OF_ENVIRONMENT, OF_REQUEST] {
        assert!(!log.contains(canary), "in the log: {log}");
        assert!(!told.contains(canary), "told to others: {told}");
    }
    assert!(!bodies.contains(OF_ENVIRONMENT), "in a reply: {bodies}");
}

#[test]
fn s3_a_caller_cannot_forge_a_line() {
    let mut process = lab().with("HECATE_LOG", "trace").ready();
    let mut wire = process.wire();
    let evil = "lab.x%0A%7B%22level%22%3A%22ERROR%22%7D%1B%5B31m%E2%80%AE";
    wire.call(evil, "");
    let raw = "a\n{\"level\":\"ERROR\",\"message\":\"forged\"}\n\u{1b}[2J\u{202e}";
    wire.call("lab.take", json!({"items": [{"price": raw}]}).to_string());
    wire.call("lab.fall", json!({"how": raw}).to_string());
    wire.call("lab.fail_for", json!({"text": raw}).to_string());
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0);
    let text = process.stdout();
    assert!(!text.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'), "{text:?}");
    assert_eq!(process.log().len(), text.lines().count());
    assert!(!process.log().iter().any(|line| line["message"] == "forged"));
    assert!(process.log().iter().any(|line| line["error"] == raw), "it is told, as it was: {text}");
}

#[test]
fn s3_what_callers_choose_is_no_label() {
    let process = lab().ready();
    let mut wire = process.wire();
    let before = process.metrics().lines().count();
    for number in 0..500 {
        assert_eq!(wire.call(&format!("lab.made_up_{number}"), "").status, 404);
        assert_eq!(wire.get(&format!("/nothing/{number}")).status, 404);
    }
    let text = process.metrics();
    assert!(text.lines().count() <= before + 10, "{text}");
    assert!(!text.contains("made_up"), "{text}");
}

#[test]
fn d5_lines_that_nobody_reads_are_counted() {
    let (log, writer) = std::io::pipe().unwrap();
    // What somebody asked for is not limited.
    let process = lab().with("HECATE_LOG", "debug").start_writing_to(writer.into(), Stdio::null());
    eventually("readiness", || {
        (process.health_file().exists() && process.probe("/readyz").status == 200).then_some(())
    });
    assert_eq!(process.sample("hecate_log_dropped_total"), 0.0);
    // More than the pipe holds, and more than the service keeps.
    let mut wire = process.wire();
    for _ in 0..2000 {
        assert_eq!(wire.call("lab.take", r#"{"items":1}"#).status, 400);
    }
    assert!(process.sample("hecate_log_dropped_total") > 0.0);
    assert_eq!(process.sample("hecate_log_suppressed_total"), 0.0);
    drop(log);
}

#[test]
fn s3_a_call_counts_once_as_what_it_came_to() {
    let process = lab().ready();
    let mut wire = process.wire();
    let gate = Gate::closed();
    let waiting = gate.request();
    let calls = [
        ("lab.say", r#"{"text":"a"}"#, "ok", 20),
        ("lab.say", "[]", "invalid", 7),
        ("lab.fall", r#"{"how":"early"}"#, "panic", 5),
        ("lab.fall", r#"{"how":"late"}"#, "panic", 5),
        ("lab.fail", "", "internal", 3),
        ("lab.hurry", &waiting, "timeout", 2),
    ];
    for (capability, body, _, times) in calls {
        for _ in 0..times {
            wire.call(capability, body);
        }
    }
    let outcomes = [
        "ok",
        "refused",
        "invalid",
        "unauthorized",
        "rate_limited",
        "overloaded",
        "timeout",
        "draining",
        "panic",
        "internal",
    ];
    for capability in ["lab.say", "lab.fall", "lab.fail", "lab.hurry"] {
        for outcome in outcomes {
            let fits = calls.iter().filter(|call| (call.0, call.2) == (capability, outcome));
            let expected: u32 = fits.map(|call| call.3).sum();
            let labels = format!(r#"capability="{capability}",version="1",outcome="{outcome}""#);
            let counted = process.sample(&format!("hecate_calls_total{{{labels}}}"));
            assert_eq!(counted, f64::from(expected), "{capability} {outcome}");
        }
    }
}

#[test]
fn s4_no_secret_among_the_settings_is_told_anywhere() {
    // The same digits are nowhere else.
    const SET: &str = "4071993";
    const IN_FILE: &str = "3991704";
    let launch = library().with("LIBRARY_TOWN", "Gent").with("LIBRARY_API_TOKEN", SET).with("HECATE_LOG", "trace");
    let file = launch.folder().join("library.toml");
    std::fs::write(&file, format!("[service]\napi_token = {IN_FILE}\n")).unwrap();
    let launch = launch.argument("--config").argument(file.to_str().unwrap());
    let mut told = String::new();
    let mut tell = |launch: &Launch, words: &[&str], expected: i32| {
        // Commands come first on a command line.
        let launch = words.iter().fold(launch.clone(), |launch, word| launch.argument(word));
        let (code, out, err) = launch.run(&[]);
        assert_eq!(code, expected, "{words:?}: {out}{err}");
        told += &(out + &err);
    };
    let file = file.to_str().unwrap();
    let bare = library().with("LIBRARY_TOWN", "Gent").with("LIBRARY_API_TOKEN", SET);
    tell(&bare, &["config", "--config", file], 0);
    tell(&bare, &["config", "--json", "--config", file], 0);
    tell(&bare, &["check", "--config", file], 0);
    tell(&bare, &["--help"], 0);
    let malformed = bare.clone().with("LIBRARY_API_TOKEN", format!("{SET}-x"));
    tell(&malformed, &["check", "--config", file], 78);
    tell(&malformed, &["--config", file], 78);

    let mut process = launch.ready();
    let reply = process.wire().call("library.tell", "");
    assert_eq!(reply.json()["opens"], true, "it has it");
    for path in ["/health", "/metrics", "/info", "/manifest.json"] {
        told += &String::from_utf8_lossy(&process.probe(path).body);
    }
    for path in ["/openapi.json", "/capabilities"] {
        told += &String::from_utf8_lossy(&process.wire().get(path).body);
    }
    assert_ends_well(&mut process);
    told += &(process.stdout() + &process.stderr());
    assert!(told.contains("***") && told.contains("it is not shown"), "{told}");
    for canary in [SET, IN_FILE] {
        assert!(!told.contains(canary), "{told}");
    }
}
