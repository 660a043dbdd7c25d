//! What a service says of itself while it runs: lines that a machine can read and nobody can forge or
//! flood, metrics that Prometheus reads, and no secret in any of it.

use std::fs;
use std::process::{Command, Stdio};

use hecate_om_tests::lab::INSIDE;
use hecate_om_tests::{Gate, Launch, Process, Wire, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};

const VALIDATOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openmetrics/validate.py");

fn lab() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-lab"))
}

fn metrics(process: &Process) -> String {
    let answer = process.probe("/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    String::from_utf8(answer.body).unwrap()
}

/// The value of a sample, written as it is in the text.
fn sample(process: &Process, name: &str) -> f64 {
    let text = metrics(process);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

/// The names of the members of a JSON object, as they are written.
fn members(line: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(line).unwrap();
    let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
    names.sort_by_key(|name| line.find(&format!("\"{name}\":")));
    names
}

#[test]
fn every_line_has_the_same_first_fields_in_the_same_order() {
    let mut process = lab().with("HECATE_LOG", "trace").ready();
    process.wire().call("lab.fall", r#"{"how":"late"}"#);
    process.wait_for_log("handler panicked");
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0);
    let text = process.stdout();
    let fixed = ["timestamp", "level", "message", "target", "service", "version", "instance"];
    for line in text.lines() {
        assert_eq!(members(line)[..7], fixed, "{line}");
    }
    let log = process.log();
    assert_eq!(log.len(), text.lines().count(), "every line is JSON");
    let instance = log[0]["instance"].as_str().unwrap();
    assert!(instance.len() == 32 && instance.bytes().all(|digit| digit.is_ascii_hexdigit()), "{instance}");
    assert!(log.iter().all(|line| line["instance"] == instance && line["service"] == "hecate-lab"));
    let times: Vec<_> = log.iter().map(|line| line["timestamp"].as_str().unwrap()).collect();
    assert!(times.iter().all(|time| time.len() == 27 && time.ends_with('Z')), "{times:?}");
    let panicked = text.lines().find(|line| line.contains("handler panicked")).unwrap();
    assert_eq!(members(panicked)[7..], ["trace_id", "capability", "capability_version", "call_id", "at", "panic"]);
}

#[test]
fn the_first_line_has_what_a_report_of_a_fault_needs() {
    let launch = lab();
    let mut instances = Vec::new();
    for _ in 0..2 {
        let process = launch.clone().with("HECATE_HEALTH_ADDR", "127.0.0.1:0").ready();
        let first = process.log()[0].clone();
        assert_eq!((&first["message"], &first["level"]), (&json!("starting"), &json!("INFO")));
        assert_eq!((&first["name"], &first["version"]), (&json!("hecate-lab"), &json!(env!("CARGO_PKG_VERSION"))));
        assert_eq!(first["pid"], process.pid());
        assert_eq!(first["uid"], rustix::process::geteuid().as_raw());
        assert_eq!(first["listen"], "127.0.0.1:0");
        assert!(first["hecate_om"].is_string() && first["config"].is_string(), "{first}");
        instances.push(first["instance"].clone());
    }
    assert_ne!(instances[0], instances[1], "each run has a name of its own");
}

#[test]
fn ten_thousand_failures_are_a_few_lines_and_a_number() {
    const FAILURES: u64 = 10_000;
    let mut process = lab().ready();
    let mut wire = process.wire();
    for _ in 0..FAILURES {
        assert_eq!(wire.call("lab.fall", r#"{"how":"early"}"#).status, 500);
    }
    let suppressed = sample(&process, "hecate_log_suppressed_total");
    assert!(suppressed > 0.0);
    assert_eq!(sample(&process, r#"hecate_panics_total{scope="handler"}"#), FAILURES as f64);
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0);
    let log = process.log();
    let told: u64 = log.iter().filter_map(|line| line["suppressed"].as_u64()).sum();
    let lines = log.iter().filter(|line| line["message"] == "handler panicked").count() as u64;
    assert_eq!(told, suppressed as u64);
    assert_eq!(lines + told, FAILURES, "each is there or counted");
    // So many as the windows that a slow machine takes for them.
    assert!(lines <= FAILURES / 10, "{lines}");
    let notice = log.iter().find(|line| line["message"] == "lines suppressed").unwrap();
    assert!(notice["at"].as_str().unwrap().contains(".rs:"), "{notice}");
    assert_eq!(notice["level"], "ERROR");
    assert!(log.iter().any(|line| line["message"] == "stopped"), "others are not kept back");
}

#[test]
fn what_was_kept_back_is_told_when_its_window_ends() {
    let mut process = lab().ready();
    let mut wire = process.wire();
    for _ in 0..150 {
        wire.call("lab.fail", "");
    }
    let notice = process.wait_for_log("lines suppressed");
    assert_eq!(notice["suppressed"], 50, "{notice}");
}

#[test]
fn lines_that_nobody_reads_are_counted() {
    let (log, writer) = std::io::pipe().unwrap();
    // What somebody asked for is not limited.
    let process = lab().with("HECATE_LOG", "debug").start_writing_to(writer.into(), Stdio::null());
    eventually("readiness", || {
        (process.health_file().exists() && process.probe("/readyz").status == 200).then_some(())
    });
    assert_eq!(sample(&process, "hecate_log_dropped_total"), 0.0);
    // More than the pipe holds, and more than the service keeps.
    let mut wire = process.wire();
    for _ in 0..2000 {
        assert_eq!(wire.call("lab.take", r#"{"items":1}"#).status, 400);
    }
    assert!(sample(&process, "hecate_log_dropped_total") > 0.0);
    assert_eq!(sample(&process, "hecate_log_suppressed_total"), 0.0);
    drop(log);
}

#[test]
fn metrics_tell_of_the_process_and_the_service() {
    let process = lab().with("LAB_HEALTH", "degraded").ready();
    eventually("the state", || (sample(&process, r#"hecate_health_status{state="degraded"}"#) == 1.0).then_some(()));
    for state in ["ok", "down", "draining", "starting"] {
        assert_eq!(sample(&process, &format!(r#"hecate_health_status{{state="{state}"}}"#)), 0.0, "{state}");
    }
    assert_eq!(sample(&process, r#"hecate_check_up{check="service"}"#), 0.0);
    for name in ["hecate_check_age_seconds", "hecate_check_duration_seconds"] {
        assert!(sample(&process, &format!(r#"{name}{{check="service"}}"#)) < 60.0);
    }
    eventually("a beat", || (sample(&process, "hecate_event_loop_lag_seconds_count") > 0.0).then_some(()));
    let info = process.probe("/info").json();
    assert_eq!(info["instance"], process.log()[0]["instance"], "one name for one run");
    let version = env!("CARGO_PKG_VERSION");
    let build = format!(r#"hecate_build_info{{service="hecate-lab",version="{version}",hecate_version="{version}"}}"#);
    assert_eq!(sample(&process, &build), 1.0);
    assert!(sample(&process, r#"hecate_log_lines_total{level="info"}"#) >= 2.0);
    assert!(sample(&process, "process_resident_memory_bytes") > 500_000.0);
    assert!(sample(&process, "process_open_fds") > 5.0);
    assert!(sample(&process, "process_max_fds") >= sample(&process, "process_open_fds"));
    assert!(sample(&process, "process_cpu_seconds_total") >= 0.0);
    let started = sample(&process, "process_start_time_seconds");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((now - 600.0..now + 5.0).contains(&started), "{started} at {now}");
}

#[test]
fn metrics_tell_how_calls_ended() {
    let process = lab().ready();
    let mut wire = process.wire();
    let calls = [
        ("lab.say", r#"{"text":"a"}"#, "ok"),
        ("lab.say", "[]", "invalid"),
        ("lab.fall", r#"{"how":"early"}"#, "panic"),
        ("lab.fall", r#"{"how":"late"}"#, "panic"),
        ("lab.fail", "", "internal"),
        ("lab.hurry_badly", "", "timeout"),
    ];
    for (capability, body, _) in calls {
        wire.call(capability, body);
    }
    wire.call("lab.nobody", "");
    let ended = |capability: &str, outcome: &str| {
        let labels = format!(r#"capability="{capability}",version="1",outcome="{outcome}""#);
        sample(&process, &format!("hecate_calls_total{{{labels}}}"))
    };
    for (capability, _, outcome) in &calls[..5] {
        let times = calls.iter().filter(|call| call.0 == *capability && call.2 == *outcome).count();
        assert_eq!(ended(capability, outcome), times as f64, "{capability} {outcome}");
    }
    // Its local panics when it is dropped at the deadline.
    assert_eq!(
        ended("lab.hurry_badly", "timeout") + ended("lab.hurry_badly", "internal") + ended("lab.hurry_badly", "panic"),
        1.0
    );
    assert_eq!(ended("lab.say", "panic"), 0.0, "what never happened is there as well");
    assert_eq!(sample(&process, "hecate_unknown_calls_total"), 1.0);
    assert_eq!(sample(&process, r#"hecate_call_duration_seconds_count{capability="lab.say",version="1"}"#), 2.0);
    assert_eq!(sample(&process, r#"hecate_call_request_bytes_sum{capability="lab.say"}"#), 14.0);
    assert_eq!(sample(&process, r#"hecate_call_response_bytes_count{capability="lab.say"}"#), 1.0);
    let gate = Gate::closed();
    let mut waiting = process.wire();
    waiting.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    gate.wait_for(1);
    assert_eq!(sample(&process, r#"hecate_calls_in_flight{capability="lab.hold"}"#), 1.0);
    gate.open();
    assert_eq!(waiting.answer().status, 200);
    eventually("its end", || {
        (sample(&process, r#"hecate_calls_in_flight{capability="lab.hold"}"#) == 0.0).then_some(())
    });
}

#[test]
fn what_callers_choose_is_no_label() {
    let process = lab().ready();
    let mut wire = process.wire();
    let before = metrics(&process).lines().count();
    for number in 0..500 {
        assert_eq!(wire.call(&format!("lab.made_up_{number}"), "").status, 404);
        assert_eq!(wire.get(&format!("/nothing/{number}")).status, 404);
    }
    let text = metrics(&process);
    assert!(text.lines().count() <= before + 10, "{text}");
    assert!(!text.contains("made_up"), "{text}");
}

#[test]
fn no_secret_leaves_the_process() {
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
fn a_caller_cannot_forge_a_line() {
    let mut process = lab().with("HECATE_LOG", "trace").ready();
    let mut wire = process.wire();
    let evil = "lab.x%0A%7B%22level%22%3A%22ERROR%22%7D%1B%5B31m%E2%80%AE";
    wire.call(evil, "");
    let raw = "a\n{\"level\":\"ERROR\",\"message\":\"forged\"}\n\u{1b}[2J\u{202e}";
    wire.call("lab.take", json!({"items": [{"price": raw}]}).to_string());
    wire.call("lab.fall", json!({"how": raw}).to_string());
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0);
    let text = process.stdout();
    assert!(!text.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'), "{text:?}");
    assert_eq!(process.log().len(), text.lines().count());
    assert!(!process.log().iter().any(|line| line["message"] == "forged"));
}

#[test]
#[ignore = "needs Python's prometheus_client; .ci/run installs it"]
fn the_metrics_are_openmetrics() {
    let process = lab().ready();
    let mut wire = process.wire();
    for body in [r#"{"text":"a"}"#, "", "[]"] {
        wire.call("lab.say", body);
    }
    for how in ["early", "late"] {
        wire.call("lab.fall", json!({"how": how}).to_string());
    }
    drop(Wire::tcp(process.health_address()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrics.txt");
    fs::write(&file, metrics(&process)).unwrap();
    let output = Command::new("python3").arg(VALIDATOR).arg(&file).output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{failed}");
    assert!(said.contains(" metrics, "), "{said}");
    // What is not OpenMetrics is seen.
    fs::write(&file, metrics(&process).replace("# EOF", "# The end")).unwrap();
    let output = Command::new("python3").arg(VALIDATOR).arg(&file).output().unwrap();
    assert!(!output.status.success());
}
