//! What a service says of itself while it runs: lines that a machine can read and nobody can forge or
//! flood, metrics that Prometheus reads, and no secret in any of it.

use std::fs;
use std::process::Command;

use hecate_om_tests::{Gate, Launch, Wire, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};

const VALIDATOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openmetrics/validate.py");

fn lab() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-lab"))
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
    let suppressed = process.sample("hecate_log_suppressed_total");
    assert!(suppressed > 0.0);
    assert_eq!(process.sample(r#"hecate_panics_total{scope="handler"}"#), FAILURES as f64);
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
fn metrics_tell_of_the_process_and_the_service() {
    let process = lab().with("LAB_HEALTH", "degraded").ready();
    eventually("the state", || (process.sample(r#"hecate_health_status{state="degraded"}"#) == 1.0).then_some(()));
    for state in ["ok", "down", "draining", "starting"] {
        assert_eq!(process.sample(&format!(r#"hecate_health_status{{state="{state}"}}"#)), 0.0, "{state}");
    }
    assert_eq!(process.sample(r#"hecate_check_up{check="service"}"#), 0.0);
    for name in ["hecate_check_age_seconds", "hecate_check_duration_seconds"] {
        assert!(process.sample(&format!(r#"{name}{{check="service"}}"#)) < 60.0);
    }
    eventually("a beat", || (process.sample("hecate_event_loop_lag_seconds_count") > 0.0).then_some(()));
    let info = process.probe("/info").json();
    assert_eq!(info["instance"], process.log()[0]["instance"], "one name for one run");
    let version = env!("CARGO_PKG_VERSION");
    let build = format!(r#"hecate_build_info{{service="hecate-lab",version="{version}",hecate_version="{version}"}}"#);
    assert_eq!(process.sample(&build), 1.0);
    assert!(process.sample(r#"hecate_log_lines_total{level="info"}"#) >= 2.0);
    assert!(process.sample("process_resident_memory_bytes") > 500_000.0);
    assert!(process.sample("process_open_fds") > 5.0);
    assert!(process.sample("process_max_fds") >= process.sample("process_open_fds"));
    assert!(process.sample("process_cpu_seconds_total") >= 0.0);
    let started = process.sample("process_start_time_seconds");
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
        process.sample(&format!("hecate_calls_total{{{labels}}}"))
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
    assert_eq!(process.sample("hecate_unknown_calls_total"), 1.0);
    assert_eq!(process.sample(r#"hecate_call_duration_seconds_count{capability="lab.say",version="1"}"#), 2.0);
    assert_eq!(process.sample(r#"hecate_call_request_bytes_sum{capability="lab.say"}"#), 14.0);
    assert_eq!(process.sample(r#"hecate_call_response_bytes_count{capability="lab.say"}"#), 1.0);
    let gate = Gate::closed();
    let mut waiting = process.wire();
    waiting.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    gate.wait_for(1);
    assert_eq!(process.sample(r#"hecate_calls_in_flight{capability="lab.hold"}"#), 1.0);
    gate.open();
    assert_eq!(waiting.answer().status, 200);
    eventually("its end", || (process.sample(r#"hecate_calls_in_flight{capability="lab.hold"}"#) == 0.0).then_some(()));
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
    fs::write(&file, process.metrics()).unwrap();
    let output = Command::new("python3").arg(VALIDATOR).arg(&file).output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{failed}");
    assert!(said.contains(" metrics, "), "{said}");
    // What is not OpenMetrics is seen.
    fs::write(&file, process.metrics().replace("# EOF", "# The end")).unwrap();
    let output = Command::new("python3").arg(VALIDATOR).arg(&file).output().unwrap();
    assert!(!output.status.success());
}

#[test]
fn a_call_that_failed_is_told_with_the_trace_of_its_caller() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let process = lab().ready();
    for (capability, body) in [("lab.fail", ""), ("lab.fall", r#"{"how":"late"}"#), ("lab.fall", r#"{"how":"early"}"#)]
    {
        let mut wire = process.wire();
        let head = format!("POST /capabilities/{capability}/v1 HTTP/1.1\r\nhost: x\r\n");
        wire.send(format!(
            "{head}traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
        let id = wire.answer().json()["call_id"].as_str().unwrap().to_owned();
        let line = eventually("its line", || process.log().into_iter().find(|line| line["call_id"] == id.as_str()));
        assert_eq!(line["trace_id"], TRACE, "{capability}");
    }
}
