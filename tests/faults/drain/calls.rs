//! D1: no call that was accepted loses its reply.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hecate_om_tests::wire::head;
use hecate_om_tests::{Gate, allow_many_files};
use rustix::process::Signal;
use serde_json::json;

use super::{held, wait_until_draining};
use crate::{assert_nothing_is_left, lab};

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
fn d1_every_call_that_a_handler_saw_is_answered_however_the_signal_falls() {
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
