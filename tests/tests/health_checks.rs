//! What is told of a service beyond up and down: every check and cause, to each in the form that was
//! asked for, and whether the runtime still runs.

use hecate_om_tests::{Answer, Gate, Launch, Process, Wire, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};

const DRAFT: &str = "application/health+json";

fn lab() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-lab"))
}

/// Asks with an `Accept`; a HEAD has the same head as a GET, and no body.
fn accept(process: &Process, path: &str, accepted: &str) -> Answer {
    let mut wire = Wire::tcp(process.health_address());
    let mut ask = |method: &str| {
        wire.send(format!("{method} {path} HTTP/1.1\r\nhost: x\r\naccept: {accepted}\r\n\r\n"));
        if method == "HEAD" { wire.answer_without_body() } else { wire.answer() }
    };
    let (head, answer) = (ask("HEAD"), ask("GET"));
    assert_eq!(head.status, answer.status, "{path} {accepted}");
    assert_eq!(head.header("content-type"), answer.header("content-type"), "{path} {accepted}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{path} {accepted}");
    // The age of a check has a digit more or less.
    let length: usize = head.header("content-length").expect(path).parse().unwrap();
    assert!(length.abs_diff(answer.body.len()) < 16, "{path} {accepted}: {length} of {}", answer.body.len());
    answer
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

fn check_of(report: &Value, name: &str) -> Value {
    let checks = report["checks"].as_array().unwrap_or_else(|| panic!("{report}"));
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {report}")).clone()
}

#[test]
fn every_check_is_told_in_the_form_that_was_asked_for() {
    let process = lab().with("LAB_HEALTH", "degraded").ready();
    // The pulse is felt for the first time at about now.
    eventually("the pulse", || (process.probe("/health/runtime.lag").status == 200).then_some(()));
    let report = accept(&process, "/health", "*/*").json();
    let names: Vec<_> = report["checks"].as_array().unwrap().iter().map(|check| check["name"].clone()).collect();
    assert_eq!(names, ["service", "runtime.lag", "runtime.panics"]);
    assert_eq!(report["reason"], "the cache is cold", "the service's own word");
    let service = check_of(&report, "service");
    assert_eq!((&service["impact"], &service["every_ms"]), (&json!("critical"), &json!(10_000)));
    assert_eq!((&service["failures"], &service["status"]), (&json!(1), &json!("degraded")));
    let lag = check_of(&report, "runtime.lag");
    assert!(lag["observed"].is_f64() && lag["unit"] == "seconds" && lag["impact"] == "degrading", "{lag}");

    for path in ["/health?verbose", "/readyz?verbose"] {
        let answer = accept(&process, path, "*/*");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
        let lines: Vec<_> = text(&answer).lines().collect();
        let [service, lag, panics, last] = lines[..] else { panic!("{lines:?}") };
        assert_eq!(service, "[-]service degraded: the cache is cold", "{path}");
        assert_eq!((lag, panics, last), ("[+]runtime.lag ok", "[+]runtime.panics ok", "health: degraded"), "{path}");
        assert_eq!(answer.status, if path.starts_with("/ready") { 200 } else { 503 }, "{path}");
    }

    let draft = accept(&process, "/health", &format!("text/html, {DRAFT};q=0.5"));
    assert_eq!((draft.status, draft.header("content-type")), (200, Some(DRAFT)), "a warning is no error there");
    let body = draft.json();
    assert_eq!((&body["status"], &body["serviceId"]), (&json!("warn"), &json!("hecate-lab")));
    assert_eq!((&body["releaseId"], &body["output"]), (&json!(env!("CARGO_PKG_VERSION")), &json!("the cache is cold")));
    assert_eq!(body["checks"]["service:health"][0]["output"], "the cache is cold");
    assert_eq!(body["checks"]["runtime:lag"][0]["observedUnit"], "seconds");
    let plain = accept(&process, "/health", &format!("{DRAFT};q=0, */*"));
    assert_eq!(plain.header("content-type"), Some("application/json"));
}

#[test]
fn one_check_can_be_asked_for() {
    let process = lab().with("LAB_HEALTH", "degraded").ready();
    let service = accept(&process, "/health/service", "*/*");
    assert_eq!((service.status, service.header("retry-after")), (503, Some("1")));
    let check = service.json();
    assert_eq!((&check["name"], &check["reason"]), (&json!("service"), &json!("the cache is cold")));
    assert_eq!(accept(&process, "/health/service?degraded=200", "*/*").status, 200);
    eventually("the pulse", || (process.probe("/health/runtime.panics").status == 200).then_some(()));
    for path in ["/health/nothing", "/health/Service", "/health/servic%65", "/health/%ff"] {
        let unknown = accept(&process, path, "*/*");
        assert_eq!(unknown.status, 404, "{path}");
        assert_eq!(unknown.json()["checks"], json!(["service", "runtime.lag", "runtime.panics"]), "{path}");
    }
    for path in ["/health/", "/health/service/", "/health//service"] {
        assert_eq!(process.probe(path).status, 404, "{path}");
    }
}

#[test]
fn whether_degraded_is_an_error_is_for_the_one_who_runs_it_or_asks() {
    let (strict, lenient) = (lab(), lab().with("HECATE_HEALTH_DEGRADED_STATUS", "200"));
    for (launch, code) in [(strict, 503), (lenient, 200)] {
        let process = launch.with("LAB_HEALTH", "degraded").ready();
        let answer = process.probe("/health");
        assert_eq!((answer.status, &answer.json()["status"]), (code, &json!("degraded")));
        for (path, asked) in
            [("/health?degraded=200", 200), ("/health?x&degraded=503", 503), ("/health?degraded=0", code)]
        {
            assert_eq!(process.probe(path).status, asked, "{path}");
        }
        let (exit, ..) = process.launch.run(&["health"]);
        assert_eq!(exit, 3, "the command looks at the word, not at the code");
    }
}

#[test]
fn each_start_of_a_process_is_an_instance() {
    let launch = lab();
    let mut instances = Vec::new();
    for _ in 0..2 {
        let mut process = launch.clone().ready();
        let info = process.probe("/info").json();
        assert_eq!(info["instance"], process.probe("/health").json()["instance"]);
        assert!(info["started"].as_str().unwrap().ends_with('Z') && info["hecate_om"].is_string(), "{info}");
        let instance = info["instance"].as_str().unwrap().to_owned();
        assert!(instance.len() == 32 && instance.bytes().all(|byte| byte.is_ascii_hexdigit()), "{instance}");
        instances.push(instance);
        process.signal(Signal::TERM);
        assert_eq!(process.exit_code(), 0);
    }
    assert_ne!(instances[0], instances[1]);
}

#[test]
fn who_waits_for_boot_or_drain_is_told_what_it_is_at_and_for_how_long() {
    let gate = Gate::closed();
    let mut process = lab().with("LAB_START", format!("slow:{}", gate.path())).start();
    gate.wait_for(1);
    let startup = process.probe("/startupz");
    let (body, elapsed) = (startup.json(), startup.json()["elapsed_ms"].as_u64());
    assert_eq!((startup.status, &body["status"], &body["phase"]), (503, &json!("starting"), &json!("start")));
    let later = || process.probe("/startupz").json()["elapsed_ms"].as_u64();
    eventually("time passes", || (later() > elapsed).then_some(()));
    gate.open();
    process.wait_for_log("ready");
    assert_eq!(process.probe("/startupz").json(), json!({"status": "started"}));

    let gate = Gate::closed();
    let mut wire = process.wire();
    wire.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    gate.wait_for(1);
    process.signal(Signal::TERM);
    let left = eventually("the drain", || process.probe("/readyz").json()["deadline_ms"].as_u64());
    assert!(left <= 30_000, "{left}");
    let draining = process.probe("/readyz");
    assert_eq!((draining.status, &draining.json()["status"]), (503, &json!("draining")));
    assert_eq!(draining.json()["in_flight"], 1);
    assert!(draining.json()["deadline_ms"].as_u64().unwrap() <= left);
    gate.open();
    assert_eq!(wire.answer().status, 200);
    assert_eq!(process.exit_code(), 0);
}
