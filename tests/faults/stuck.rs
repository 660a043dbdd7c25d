//! C3, D1, H3: every worker is blocked, so that nobody runs what the service is given.

use std::time::{Duration, Instant};

use hecate_om_tests::{Gate, Process, Wire, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::notify::Ear;
use crate::{assert_answers, assert_ends_well, assert_nothing_is_left, lab};

/// Calls that block a thread each, until none is left.
fn block_every_worker(process: &Process, gate: &Gate) -> Vec<Wire> {
    let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get().max(2));
    let block = |blocked: usize| {
        assert_eq!(process.probe("/livez").json(), json!({"status": "ok"}), "one thread is left");
        let mut wire = process.wire();
        wire.ask("POST", "/capabilities/lab.block/v1", gate.request());
        gate.wait_for(blocked + 1);
        wire
    };
    (0..threads).map(block).collect()
}

fn assert_all_answered(wires: &mut [Wire]) {
    for wire in wires {
        assert_eq!(wire.answer().status, 200);
    }
}

#[test]
fn c3_the_lag_of_workers_that_are_blocked_is_told_in_health_and_metrics() {
    let process = lab().ready();
    let gate = Gate::closed();
    let count = || process.sample("hecate_event_loop_lag_seconds_count");
    eventually("a beat", || (count() > 0.0).then_some(()));
    let mut wires = block_every_worker(&process, &gate);
    let lag = || process.probe("/health/runtime.lag");
    let lagging = eventually("the lag", || Some(lag().json()).filter(|lag| lag["status"] == "degraded"));
    assert!(lagging["observed"].as_f64().unwrap() > 1.0, "{lagging}");
    assert!(lagging["reason"].as_str().unwrap().contains("have run nothing for"), "{lagging}");
    assert_eq!(process.probe("/livez").status, 200, "late, and not stuck");
    gate.open();
    assert_all_answered(&mut wires);
    // The beat that was late is counted when it comes back.
    eventually("the late beat", || (process.sample("hecate_event_loop_lag_seconds_sum") > 1.0).then_some(()));
    eventually("no lag", || (lag().status == 200).then_some(()));
}

#[test]
fn h3_a_watchdog_gets_no_sign_of_life_while_every_worker_is_stuck() {
    let (mut ear, launch) = Ear::at_a_path(lab().with("WATCHDOG_USEC", "400000"));
    let mut process = launch.ready();
    let gate = Gate::closed();
    let mut wires = block_every_worker(&process, &gate);
    let begun = Instant::now();
    let stuck = eventually("stuck", || {
        // Somebody has to listen: the socket holds a few words only.
        ear.rest();
        Some(process.probe("/livez")).filter(|answer| answer.status == 503)
    });
    assert_eq!(stuck.json()["status"], "stuck");
    let since = |answer: hecate_om_tests::Answer| answer.json()["since_ms"].as_u64().unwrap_or_default();
    let before = since(stuck);
    assert!(before >= 10_000 && begun.elapsed() >= Duration::from_secs(9), "{before} {:?}", begun.elapsed());
    assert_ne!(process.probe("/health").json()["status"], "ok");
    process.wait_for_log("the workers do not run: the watchdog gets no sign of life");
    ear.rest();
    // Five times as long as it takes to feed it once.
    eventually("more time", || (since(process.probe("/livez")) > before + 1000).then_some(()));
    let heard = ear.rest();
    assert!(!heard.iter().any(|text| text == "WATCHDOG=1\n"), "{heard:?}");

    gate.open();
    assert_all_answered(&mut wires);
    ear.until("WATCHDOG=1\n");
    eventually("alive", || (process.probe("/livez").status == 200).then_some(()));
    let told = |level: &str, status: &str| -> Value {
        eventually(&format!("{level} {status} in the log"), || {
            process
                .log()
                .into_iter()
                .find(|line| line["check"] == "runtime.lag" && line["level"] == level && line["status"] == status)
        })
    };
    assert_eq!(told("WARN", "degraded")["message"], "health changed");
    assert_eq!(told("INFO", "ok")["message"], "health changed");
    let lines = process.log().iter().filter(|line| line["check"] == "runtime.lag").count();
    assert_eq!(lines, 2, "{:?}", process.log());
    assert_answers(&process);
    assert_ends_well(&mut process);
}

/// The kernel takes a connection, and a request on it, before the service does.
#[test]
fn d1_who_came_before_the_signal_and_was_not_accepted_is_told_and_not_reset() {
    for how in [Signal::TERM, Signal::INT] {
        let mut process = lab().ready();
        let gate = Gate::closed();
        let mut blocked = block_every_worker(&process, &gate);
        let ask = |wire: &mut Wire| wire.ask("POST", "/capabilities/lab.say/v1", r#"{"text":"a"}"#);
        let mut waiting: Vec<_> = (0..200).map(|_| process.wire()).collect();
        waiting.iter_mut().for_each(ask);
        let mut silent: Vec<_> = (0..20).map(|_| process.wire()).collect();
        process.signal(how);
        eventually("the drain", || (process.probe("/readyz").json()["status"] == "draining").then_some(()));
        let mut late: Vec<_> = (0..20).map(|_| process.wire()).collect();
        late.iter_mut().for_each(ask);
        gate.open();
        assert_all_answered(&mut blocked);
        for wire in waiting.iter_mut().chain(&mut late) {
            let answer = wire.try_answer().expect("an answer, and no reset");
            assert_eq!((answer.status, answer.code().as_str()), (503, "draining"));
        }
        for wire in &mut silent {
            assert!(wire.try_answer().is_none(), "nothing is said to those who say nothing");
        }
        assert_eq!(process.exit_code(), 0, "{how:?}: {}", process.stdout());
        assert_nothing_is_left(&process);
    }
}
