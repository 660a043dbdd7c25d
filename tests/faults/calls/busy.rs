//! C2, C3, C4: handlers that hang or hold their thread, and more calls than there are places.

use std::path::Path;
use std::time::{Duration, Instant};

use hecate_om_tests::{Crowd, Gate, Lab, Launch, ManyFiles, Wire, block_on, eventually};
use rustix::process::Signal;
use serde_json::json;

use crate::{assert_alive, assert_both_answer, assert_has_call_id, assert_still_answers, lab};

#[test]
fn c3_a_handler_that_blocks_its_thread_does_not_hold_up_other_calls() {
    let lab = Lab::open();
    // Whether the thread that is blocked was the one that watched the sockets is a matter of luck.
    for round in 0..10 {
        let gate = Gate::closed();
        let mut blocking = Wire::unix(lab.socket());
        blocking.ask("POST", "/capabilities/lab.block/v1", gate.request());
        gate.wait_for(1);
        let begun = Instant::now();
        assert_eq!(Wire::unix(lab.socket()).call("lab.say", r#"{"text":"a"}"#).status, 200);
        assert!(begun.elapsed() < Duration::from_secs(1), "round {round}: {:?}", begun.elapsed());
        gate.open();
        assert_eq!(blocking.answer().status, 200);
    }
}

#[test]
fn c3_health_answers_while_every_worker_is_blocked() {
    let lab = Lab::open();
    let gate = Gate::closed();
    let workers = std::thread::available_parallelism().unwrap().get().max(2);
    let mut blocking: Vec<_> = (0..workers + 2).map(|_| Wire::unix(lab.socket())).collect();
    for wire in &mut blocking {
        wire.ask("POST", "/capabilities/lab.block/v1", gate.request());
    }
    gate.wait_for(workers);
    for _ in 0..10 {
        assert_alive(&lab);
    }
    for path in ["/readyz", "/health", "/startupz", "/info", "/manifest.json"] {
        assert_eq!(Wire::tcp(lab.health_address()).get(path).status, 200, "{path}");
    }
    gate.open();
    for wire in &mut blocking {
        assert_eq!(wire.answer().status, 200);
    }
    assert_both_answer(&lab);
}

#[test]
fn c2_a_handler_that_waits_for_ever_times_out_and_frees_its_place() {
    let lab = Lab::open();
    let gate = Gate::closed();
    let calls = 20;
    let mut wires: Vec<_> = (0..calls).map(|_| Wire::unix(lab.socket())).collect();
    let begun = Instant::now();
    for wire in &mut wires {
        wire.ask("POST", "/capabilities/lab.hurry/v1", gate.request());
    }
    for wire in &mut wires {
        let answer = wire.answer();
        assert_eq!((answer.status, answer.code().as_str()), (504, "timeout"));
        assert_has_call_id(&answer);
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(10), "{took:?}");
    assert_still_answers(&mut wires[0]);
    // A call that was still in flight would hold the drain up until its budget ends.
    lab.begin_stop();
    assert_eq!(block_on(lab.stop()), 0);
    assert_eq!(gate.came(), calls);
}

#[test]
fn c4_the_call_after_the_last_place_is_overloaded_and_others_are_not() {
    const PLACES: usize = 1024;
    let _files = ManyFiles::wait();
    let lab = Lab::open();
    let gate = Gate::closed();
    let mut running: Vec<_> =
        (0..PLACES).map(|_| asking(lab.socket(), "/capabilities/lab.hold/v1", &gate.request())).collect();
    gate.wait_for(PLACES);

    let mut wire = Wire::unix(lab.socket());
    for _ in 0..2 {
        let answer = wire.call("lab.hold", gate.request());
        assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!((&answer.json()["retryable"], &answer.json()["retry_after_ms"]), (&json!(true), &json!(1000)));
        assert_still_answers(&mut wire);
    }

    gate.let_one_through();
    gate.open();
    let mut passed: Vec<_> = running.iter_mut().map(|wire| wire.answer().json()["passed"].as_u64().unwrap()).collect();
    passed.sort_unstable();
    assert_eq!(passed, (1..=PLACES as u64).collect::<Vec<_>>(), "each was answered once");
    assert_eq!(wire.call("lab.hold", gate.request()).status, 200, "the places are free again");
}

#[test]
fn c3_a_handler_that_keeps_its_thread_busy_does_not_hold_up_other_calls() {
    let lab = Lab::open();
    for _ in 0..5 {
        let gate = Gate::closed();
        let mut spinning = Wire::unix(lab.socket());
        spinning.ask("POST", "/capabilities/lab.keep_busy/v1", gate.request());
        gate.wait_for(1);
        let mut wires: Vec<_> = (0..20).map(|_| Wire::unix(lab.socket())).collect();
        for wire in &mut wires {
            assert_still_answers(wire);
        }
        assert_alive(&lab);
        gate.open();
        assert_eq!(spinning.answer().status, 200);
    }
}

#[test]
fn c4_ten_thousand_callers_of_one_capability_are_answered_or_refused_and_memory_stays_bounded() {
    const PLACES: usize = 1024;
    const ROUNDS: usize = 5;
    let files = ManyFiles::wait();
    let callers = (files.limit / 2).min(files.limit.saturating_sub(100)).min(10_000);
    if callers < 10_000 {
        println!("scaled down from 10000 to {callers} callers: a process may have {} files", files.limit);
    }
    let process = Launch::of(env!("CARGO_BIN_EXE_hecate-crowd")).ready();
    let before = process.resident_kib();
    let crowd = Crowd::closed();
    let ask = || asking(&process.socket(), "/capabilities/crowd.wait/v1", &crowd.request());
    let running: Vec<_> = (0..PLACES).map(|_| ask()).collect();
    crowd.wait_for(PLACES);
    let mut most = 0;
    for _ in 0..ROUNDS {
        let mut refused: Vec<_> = (PLACES..callers).map(|_| ask()).collect();
        for wire in &mut refused {
            let answer = wire.answer();
            assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"));
        }
        most = most.max(process.resident_kib());
        drop(refused);
        // Where it has no room, whoever has not spoken yet goes first.
        eventually("the end of their connections", || (process.open_files() < PLACES + 200).then_some(()));
    }
    println!("{callers} callers: {before} KiB before, {most} KiB at most");
    assert!(most - before < callers as u64 * 48, "{most} KiB after {before}: more than 48 KiB for each caller");
    assert_eq!(crowd.came(), PLACES, "who is refused does not run");

    crowd.open();
    for mut wire in running {
        assert_eq!(wire.answer().status, 200);
    }
    let free: Vec<_> = (0..PLACES).map(|_| ask()).collect();
    for mut wire in free {
        assert_eq!(wire.answer().status, 200, "the places are free again");
    }
}

/// A call on a connection of its own, which is asked as soon as it is there: one that is silent for five seconds
/// is cut, and on a busy box thousands of connections take longer than that.
fn asking(socket: &Path, path: &str, body: &str) -> Wire {
    let mut wire = Wire::unix(socket);
    wire.ask("POST", path, body);
    wire
}

#[test]
fn c2_no_call_is_in_flight_once_it_timed_out() {
    let mut process = lab().ready();
    let gate = Gate::closed();
    let mut wires: Vec<_> = (0..50).map(|_| process.wire()).collect();
    for wire in &mut wires {
        wire.ask("POST", "/capabilities/lab.hurry/v1", gate.request());
    }
    for wire in &mut wires {
        assert_eq!(wire.answer().code(), "timeout");
    }
    // One more keeps the drain open, to look at it.
    let mut held = process.wire();
    held.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    gate.wait_for(51);
    process.signal(Signal::TERM);
    let draining = eventually("the drain", || {
        let ready = process.probe("/readyz").json();
        (ready["status"] == "draining").then_some(ready)
    });
    assert_eq!(draining["in_flight"], 1);
    gate.open();
    assert_eq!(held.answer().status, 200);
    assert_eq!(process.exit_code(), 0);
}
