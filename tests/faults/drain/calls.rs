//! D1: no call that was accepted loses its reply.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hecate_om_tests::wire::head;
use hecate_om_tests::{Gate, ManyFiles};
use rustix::process::Signal;
use serde_json::json;

use super::{held, wait_until_draining};
use crate::{assert_nothing_is_left, assert_still_answers, lab};

fn request(gate: &Gate) -> String {
    let body = gate.request();
    head("POST", "/capabilities/lab.hold/v1", body.len()) + &body
}

#[test]
fn d1_a_call_in_flight_is_answered_whichever_signal_ends_the_service() {
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
fn d1_while_it_drains_new_calls_are_told_to_go_elsewhere_and_health_tells_why() {
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
    assert_eq!(
        (ready.status, &ready.json()["status"], &ready.json()["in_flight"]),
        (503, &json!("draining"), &json!(2))
    );
    let left = ready.json()["deadline_ms"].as_u64().unwrap();
    assert!((1..=30_000).contains(&left), "{left}");
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
fn d1_every_call_that_a_handler_saw_is_answered_however_the_signal_falls() {
    for round in 0..4 {
        let mut process = lab().ready();
        let gate = Gate::closed();
        gate.open();
        let answered = AtomicUsize::new(0);
        // Before any of them calls: the service may end before the last thread runs.
        let wires: Vec<_> = (0..16).map(|_| process.wire()).collect();
        let (gate_at, count) = (&gate, &answered);
        std::thread::scope(|scope| {
            for mut wire in wires {
                scope.spawn(move || {
                    loop {
                        let _ = wire.try_send(request(gate_at));
                        match wire.try_answer() {
                            Some(answer) if answer.status == 200 => count.fetch_add(1, Ordering::SeqCst),
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

#[test]
fn d1_a_large_reply_to_a_slow_reader_is_complete() {
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
fn d1_a_thousand_calls_in_flight_all_get_their_replies_whatever_else_is_on_the_sockets() {
    const CALLS: usize = 1000;
    let _files = ManyFiles::wait();
    let mut process = lab().ready();
    let gate = Gate::closed();
    let mut wires: Vec<_> = (0..CALLS).map(|_| process.wire()).collect();
    for (index, wire) in wires.iter_mut().enumerate() {
        if index % 2 == 0 {
            // Kept alive from here.
            assert_still_answers(wire);
        }
        wire.send(request(&gate));
        if index % 10 == 0 {
            // Pipelined: it is nobody's call until the first is answered.
            wire.send(request(&gate));
        }
    }
    let mut slow = process.wire().slow(Duration::from_millis(2));
    slow.ask("POST", "/capabilities/lab.fill_late/v1", gate.request());
    let mut halves: Vec<_> = (0..20).map(|_| process.wire()).collect();
    for (index, half) in halves.iter_mut().enumerate() {
        let head = head("POST", "/capabilities/lab.say/v1", 0);
        half.send(&head[..index * 4]);
    }
    gate.wait_for(CALLS + 1);
    process.signal(Signal::TERM);
    wait_until_draining(&process);
    assert_eq!(process.probe("/readyz").json()["in_flight"], CALLS + 1);
    let mut late: Vec<_> = (0..50).map(|_| process.wire()).collect();
    for wire in &mut late {
        wire.send(request(&gate));
    }
    for wire in &mut late {
        assert_eq!(wire.answer().code(), "draining");
    }

    gate.open();
    let mut passed: Vec<_> = wires.iter_mut().map(|wire| wire.answer().json()["passed"].as_u64().unwrap()).collect();
    passed.sort_unstable();
    assert_eq!(passed, (1..=CALLS as u64).collect::<Vec<_>>(), "each was answered once");
    for wire in wires.iter_mut().step_by(10) {
        // Never accepted: refused, or not even looked at.
        assert!(wire.try_answer().is_none_or(|answer| answer.code() == "draining"));
    }
    assert_eq!(slow.answer().json()["text"].as_str().map(str::len), Some(8 << 20));
    for half in &mut halves {
        assert!(half.try_answer().is_none_or(|answer| answer.code() == "draining"));
    }
    assert_eq!(process.exit_code(), 0, "{}", process.stdout());
    assert_nothing_is_left(&process);
    assert_eq!(process.launch.journal(), "start\nstarted\nstop\n");
    let mut log = process.log();
    // On a slow box there are more slow calls than are told of; how many, the log tells when it closes.
    log.retain(|line| line["message"] != "lines suppressed");
    let at = |message: &str| log.iter().position(|line| line["message"] == message);
    let order = [at("ready"), at("stopping"), at("stopped")];
    assert!(order.is_sorted() && order.iter().all(Option::is_some), "{order:?} in {log:?}");
    assert_eq!(at("stopped"), Some(log.len() - 1), "nothing happens after the end: {log:?}");
}
