//! The way out, as a supervisor and the callers of a process see it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hecate_om_tests::{Gate, Launch, Process, Wire, allow_many_files, eventually};
use rustix::process::Signal;
use serde_json::json;

fn lab() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-lab"))
}

fn held(process: &Process, gate: &Gate) -> Wire {
    let mut wire = process.wire();
    wire.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    wire
}

fn wait_until_draining(process: &Process) {
    eventually("the drain", || (process.probe("/readyz").json()["status"] == "draining").then_some(()));
}

fn assert_nothing_is_left(process: &Process) {
    assert!(!process.socket().exists(), "the socket is left");
    assert!(!process.health_file().exists(), "health.addr is left");
}

#[test]
fn a_call_in_flight_is_answered_whichever_signal_ends_the_service() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut process = lab().ready();
        let gate = Gate::closed();
        let mut wire = held(&process, &gate);
        gate.wait_for(1);
        process.signal(signal);
        wait_until_draining(&process);
        gate.open();
        let answer = wire.answer();
        assert_eq!((answer.status, answer.json()), (200, json!({"passed": 1})));
        assert_eq!(process.exit_code(), 0, "{signal:?}: {}", process.stdout());
        assert_eq!(process.launch.journal(), "start\nstarted\nstop\n");
        assert_nothing_is_left(&process);
    }
}

#[test]
fn while_it_drains_new_calls_are_told_to_go_elsewhere_and_health_tells_why() {
    let mut process = lab().ready();
    let gate = Gate::closed();
    let (mut idle, mut old) = (process.wire(), process.wire());
    for wire in [&mut idle, &mut old] {
        assert_eq!(wire.call("lab.say", r#"{"text":"a"}"#).status, 200);
    }
    let mut wires = [held(&process, &gate), held(&process, &gate)];
    gate.wait_for(2);
    process.signal(Signal::TERM);
    wait_until_draining(&process);

    for wire in [&mut old, &mut process.wire()] {
        // Whole, and too large for the socket to take at once: refused all the same.
        for text in ["a".to_owned(), "a".repeat(900_000)] {
            let answer = wire.call("lab.say", json!({"text": text}).to_string());
            assert_eq!((answer.status, answer.code().as_str()), (503, "draining"));
            assert_eq!((answer.header("retry-after"), &answer.json()["retryable"]), (Some("1"), &json!(true)));
        }
    }
    let ready = process.probe("/readyz");
    assert_eq!((ready.status, ready.json()), (503, json!({"status": "draining", "in_flight": 2})));
    assert_eq!((process.probe("/livez").status, process.probe("/startupz").status), (200, 200));
    let health = process.probe("/health");
    assert_eq!((health.status, &health.json()["status"]), (503, &json!("draining")));

    gate.open();
    for wire in &mut wires {
        assert_eq!(wire.answer().status, 200);
    }
    for mut wire in [idle, old] {
        assert!(wire.try_answer().is_none(), "an idle connection is closed, and nothing is said on it");
    }
    assert_eq!(process.exit_code(), 0);
    assert_nothing_is_left(&process);
}

#[test]
fn two_hundred_calls_in_flight_all_get_their_replies() {
    allow_many_files();
    let mut process = lab().ready();
    let gate = Gate::closed();
    let mut wires: Vec<_> = (0..200).map(|_| process.wire()).collect();
    for wire in &mut wires {
        assert_eq!(wire.call("lab.say", r#"{"text":"a"}"#).status, 200, "kept alive from here");
        wire.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    }
    gate.wait_for(200);
    process.signal(Signal::TERM);
    wait_until_draining(&process);
    assert_eq!(process.probe("/readyz").json()["in_flight"], 200);
    gate.open();
    let mut passed: Vec<_> = wires.iter_mut().map(|wire| wire.answer().json()["passed"].as_u64().unwrap()).collect();
    passed.sort_unstable();
    assert_eq!(passed, (1..=200).collect::<Vec<_>>());
    assert_eq!(process.exit_code(), 0);
}

#[test]
fn every_call_that_a_handler_saw_is_answered_however_the_signal_falls() {
    for round in 0..4 {
        let mut process = lab().ready();
        let gate = Gate::closed();
        gate.open();
        let answered = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let mut wire = process.wire();
                    loop {
                        let _ = wire.try_send(request(&gate));
                        match wire.try_answer() {
                            Some(answer) if answer.status == 200 => answered.fetch_add(1, Ordering::SeqCst),
                            Some(answer) => break assert_eq!(answer.code(), "draining"),
                            // Closed between two calls: this one never got anywhere.
                            None => break,
                        };
                    }
                });
            }
            gate.wait_for(100 + round);
            process.signal(Signal::TERM);
        });
        assert_eq!(process.exit_code(), 0);
        assert_eq!(answered.load(Ordering::SeqCst), gate.came(), "a handler ran and its caller was not told");
    }
}

fn request(gate: &Gate) -> String {
    let body = gate.request();
    hecate_om_tests::wire::head("POST", "/capabilities/lab.hold/v1", body.len()) + &body
}

#[test]
fn a_large_reply_to_a_slow_reader_is_complete() {
    let mut process = lab().ready();
    let gate = Gate::closed();
    let mut wire = process.wire().slow(Duration::from_millis(20));
    wire.ask("POST", "/capabilities/lab.fill_late/v1", gate.request());
    gate.wait_for(1);
    process.signal(Signal::TERM);
    wait_until_draining(&process);
    gate.open();
    assert_eq!(wire.answer().json()["text"].as_str().map(str::len), Some(8 << 20));
    assert_eq!(process.exit_code(), 0);
}

#[test]
fn a_call_that_outlives_the_budget_is_abandoned_and_named() {
    let mut process = lab().with("HECATE_STOP_TIMEOUT", "3s").ready();
    let gate = Gate::closed();
    let _wire = held(&process, &gate);
    let mut half = process.wire();
    half.send(hecate_om_tests::wire::head("POST", "/capabilities/lab.say/v1", 100));
    gate.wait_for(1);
    process.signal(Signal::TERM);
    let begun = Instant::now();
    assert_eq!(process.exit_code(), 75);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(1900) && took < Duration::from_secs(6), "{took:?}");
    let log = process.log();
    let named = log.iter().find(|line| line["capability"] == "lab.hold@1").unwrap_or_else(|| panic!("{log:?}"));
    assert_eq!((&named["calls"], &named["level"]), (&json!(1), &json!("ERROR")));
    assert!(log.iter().any(|line| line["message"].as_str().unwrap().contains("did not come whole")), "{log:?}");
    assert_eq!(process.launch.journal(), "start\nstarted\nstop\n", "`stop` runs all the same");
    assert_nothing_is_left(&process);
}

#[test]
fn a_second_signal_ends_the_service_at_once() {
    for (second, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut process = lab().ready();
        let gate = Gate::closed();
        let _held = held(&process, &gate);
        let mut blocked = process.wire();
        blocked.ask("POST", "/capabilities/lab.block/v1", gate.request());
        gate.wait_for(2);
        process.signal(Signal::TERM);
        wait_until_draining(&process);
        process.signal(second);
        let begun = Instant::now();
        assert_eq!(process.exit_code(), code);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert_nothing_is_left(&process);
    }
}

#[test]
fn a_signal_while_it_starts_ends_it_within_two_seconds() {
    for how in ["slow", "block"] {
        let gate = Gate::closed();
        let mut process = lab().with("LAB_START", format!("{how}:{}", gate.path())).start();
        gate.wait_for(1);
        process.signal(Signal::TERM);
        let begun = Instant::now();
        assert_eq!(process.exit_code(), 0, "{how}: {}", process.stderr());
        assert!(begun.elapsed() < Duration::from_secs(2), "{how}: {:?}", begun.elapsed());
        assert_eq!(process.launch.journal(), "start\n", "{how}: `stop` without a `start` that ended");
        assert_nothing_is_left(&process);
    }
}

#[test]
fn a_signal_during_the_first_look_at_health_ends_it_in_order() {
    let gate = Gate::closed();
    let mut process = lab().with("LAB_HEALTH", format!("block:{}", gate.path())).start();
    gate.wait_for(1);
    process.signal(Signal::TERM);
    let begun = Instant::now();
    assert_eq!(process.exit_code(), 0, "{}", process.stderr());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(process.launch.journal(), "start\nstarted\nstop\n");
    assert!(!process.stdout().contains("\"ready\""), "{}", process.stdout());
}

#[test]
fn a_start_that_fails_chooses_the_exit_code_and_stop_never_runs() {
    let cases = [
        ("error", 70, "the model is not there: the disk is gone"),
        ("retry", 75, "the database is not up yet"),
        ("config", 78, "MODEL is not set"),
        ("panic", 70, "panicked"),
    ];
    for (how, code, reason) in cases {
        let mut process = lab().with("LAB_START", how).start();
        assert_eq!(process.exit_code(), code, "{how}");
        let stderr = process.stderr();
        assert!(stderr.starts_with("error: ") && stderr.contains(reason), "{how}: {stderr}");
        assert_eq!(process.launch.journal(), "start\n", "{how}");
        assert_nothing_is_left(&process);
    }
}

#[test]
fn a_stop_that_hangs_or_panics_cuts_the_drain_short() {
    let gate = Gate::closed();
    for (how, said) in [(format!("slow:{}", gate.path()), "did not end in time"), ("panic".to_owned(), "panicked")] {
        let mut process = lab().with("HECATE_STOP_TIMEOUT", "1s").with("LAB_STOP", &how).ready();
        process.signal(Signal::TERM);
        assert_eq!(process.exit_code(), 75, "{how}");
        let log = process.log();
        assert!(
            log.iter().any(|line| line["message"].as_str().unwrap().contains(said) && line["level"] == "ERROR"),
            "{how}: {log:?}"
        );
        assert_nothing_is_left(&process);
    }
}
