//! Faults, injected for real: what slow clients, broken callers, full disks, signals and crashes can do
//! to a service. A test's name begins with the id of its row in the test programme; `docs/promises.md`
//! tells which promise it keeps.

mod calls;
mod config;
mod drain;
mod files;
mod http;
mod identity;
mod injection;
mod latency;
mod lessons;
mod links;
mod mesh;
mod notify;
mod overload;
mod promises;
mod providers;
mod secrets;
mod stuck;
mod tasks;
mod told;

use std::time::{Duration, Instant};

use hecate_om::testing::TestService;
use hecate_om_tests::{Answer, Lab, Launch, Process, Wire, eventually};
use rustix::process::Signal;
use serde_json::json;

fn lab() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-lab"))
}

/// A service that uses all of its surroundings.
fn errand() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-errand"))
}

/// A service with settings of its own.
fn library() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-shelves")).service("hecate-library")
}

/// Has a service read again what can change, and waits until it has.
fn reload(process: &mut Process) {
    let all = |process: &Process| ["settings were read again", "not taken over"].map(|text| process.told(text));
    let before = all(process);
    eventually("the end of a reload", || {
        let busy = process.told("the last reload has not ended");
        process.signal(Signal::HUP);
        eventually("its end, or that of the one before", || {
            (all(process) != before || process.told("the last reload has not ended") > busy).then_some(())
        });
        (all(process) != before).then_some(())
    });
}

/// The call that must work whatever came before.
fn assert_still_answers(wire: &mut Wire) {
    let answer = wire.call("lab.say", r#"{"text":"hello"}"#);
    assert_eq!((answer.status, answer.json()), (200, json!({"text": "hello"})));
}

fn assert_answers(process: &Process) {
    assert_still_answers(&mut process.wire());
}

/// A service that does the least that can be asked of it, at once.
fn assert_alive_over(process: &Process) {
    let begun = Instant::now();
    assert_eq!(process.probe("/livez").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

fn assert_alive(lab: &TestService<Lab>) {
    let begun = Instant::now();
    assert_eq!(Wire::tcp(lab.health_address()).get("/livez").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

fn assert_both_answer(lab: &TestService<Lab>) {
    assert_alive(lab);
    assert_still_answers(&mut Wire::unix(lab.socket()));
}

fn assert_has_call_id(answer: &Answer) {
    assert!(answer.json()["call_id"].as_str().is_some_and(|id| id.len() > 12), "{answer:?}");
}

fn assert_ends_well(process: &mut Process) {
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0, "{}", process.stdout());
}

fn assert_nothing_is_left(process: &Process) {
    assert!(!process.socket().exists(), "the socket is left");
    assert!(!process.health_file().exists(), "health.addr is left");
}

/// Starts what must not start; returns what it says.
fn refused(launch: Launch, code: i32) -> String {
    let (found, _, stderr) = launch.run(&[]);
    assert_eq!(found, code, "{stderr}");
    assert!(stderr.starts_with("error: "), "{stderr}");
    stderr
}
