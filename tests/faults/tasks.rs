//! D1 to D4: the tasks of a service, which fail, hang, and end before it does.

use std::time::{Duration, Instant};

use hecate_om_tests::{Gate, eventually};
use rustix::process::Signal;
use serde_json::json;

use crate::errand;

#[test]
fn d1_tasks_outlive_the_last_call_and_end_before_stop() {
    let mut process = errand().with("ERRAND_TASKS", "polite done").ready();
    let gate = Gate::closed();
    let mut wire = process.wire();
    wire.ask("POST", "/capabilities/errand.hold/v1", gate.request());
    gate.wait_for(1);
    for task in ["task.polite", "task.done"] {
        assert_eq!(process.check(task).unwrap()["status"], "ok", "{task}");
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
fn d3_a_task_that_does_not_end_is_aborted_and_named() {
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
fn d4_a_task_that_fails_is_told_and_started_again() {
    let mut process = errand().with("ERRAND_TASKS", "failing panicking").ready();
    for (task, code, said) in [("failing", "failed", "there is no such street"), ("panicking", "panic", "lost the way")]
    {
        let degraded = eventually("a second failure in health", || {
            let check = process.check(&format!("task.{task}"))?;
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
fn d2_what_start_began_ends_with_it() {
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
