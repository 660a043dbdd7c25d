//! C4: ten times what a service can take, over the socket and over the mesh. Whoever calls is answered or told to come
//! again, and afterwards nothing is left of it.
//!
//! How fast that goes is measured in `tests/benches`, where nothing else runs; here nothing depends on it.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hecate_om_tests::{Crowd, Launch, Process, Wire, within};
use serde_json::{Value, json};

use crate::assert_ends_well;
use crate::providers::{on_mesh, wait_until_advertised};

/// What the ferry takes at once.
const PLACES: usize = 8;
/// Ten times that.
const OFFERED: usize = 10 * PLACES;
/// What a box that is busy with other things may need for a thousand calls over the mesh.
const LONG: Duration = Duration::from_secs(180);

fn ferry() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-ferry"))
}

fn quay() -> Launch {
    ferry().service("hecate-quay").with("FERRY", "quay")
}

/// What a process has that could leak.
#[derive(Debug)]
struct Held {
    files: usize,
    threads: usize,
    kib: u64,
}

impl Held {
    fn by(process: &Process) -> Self {
        let threads = std::fs::read_dir(format!("/proc/{}/task", process.pid())).unwrap().count();
        Self { files: process.open_files(), threads, kib: process.resident_kib() }
    }

    /// Nothing is left of what came since: a leak would be of every call, and there were hundreds. Memory stays with
    /// the allocator, within bounds.
    fn assert_given_back(&self, process: &Process, most_kib: u64) {
        let what = format!("descriptors and threads as before, which were {self:?}");
        // Threads that had a blocking thing to do are kept for a while.
        within(LONG, &what, || {
            let now = Self::by(process);
            (now.files < self.files + PLACES && now.threads < self.threads + PLACES).then_some(())
        });
        let now = Self::by(process);
        println!("held before {self:?}, after {now:?}");
        assert!(now.kib < self.kib + most_kib, "{now:?} after {self:?}: more than {most_kib} KiB");
    }
}

/// What the ferry says that it has done: at most how many at once, and how many in all.
fn log(ferry: &Process) -> (u64, usize) {
    let log = ferry.wire().call("ferry.log", "").json();
    (log["most"].as_u64().unwrap(), usize::try_from(log["crossed"].as_u64().unwrap()).unwrap())
}

fn counted(ferry: &Process, outcome: &str) -> usize {
    let name = format!(r#"hecate_calls_total{{capability="ferry.cross",version="1",outcome="{outcome}"}}"#);
    ferry.sample(&name) as usize
}

fn running(ferry: &Process) -> usize {
    ferry.sample(r#"hecate_calls_in_flight{capability="ferry.cross"}"#) as usize
}

/// Calls so often; says how often it was answered, and not refused.
fn insist(socket: &Path, calls: usize) -> usize {
    let mut wire = Wire::unix(socket);
    let mut answered = 0;
    for _ in 0..calls {
        let answer = wire.call("ferry.cross", r#"{"millis":2}"#);
        match answer.status {
            200 => answered += 1,
            _ => assert_overloaded(&answer),
        }
    }
    answered
}

fn assert_overloaded(answer: &hecate_om_tests::Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!((&answer.json()["retryable"], &answer.json()["retry_after_ms"]), (&json!(true), &json!(1000)));
}

#[test]
fn c4_ten_times_the_capacity_of_a_socket_is_answered_or_told_to_come_again_and_nothing_is_left() {
    const CALLS: usize = 100;
    let mut ferry = ferry().ready();
    // The first call makes what is made once.
    insist(&ferry.socket(), 1);
    let before = Held::by(&ferry);

    // All places are taken: nobody else gets one, however often.
    let crowd = Crowd::closed();
    let mut held: Vec<_> = (0..PLACES).map(|_| ferry.wire()).collect();
    for wire in &mut held {
        wire.ask("POST", "/capabilities/ferry.cross/v1", crowd.request());
    }
    crowd.wait_for(PLACES);
    let refused = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in PLACES..OFFERED {
            scope.spawn(|| {
                assert_eq!(insist(&ferry.socket(), CALLS), 0, "there was no place");
                refused.fetch_add(CALLS, Ordering::SeqCst);
            });
        }
    });
    let refused = refused.into_inner();
    assert_eq!((counted(&ferry, "overloaded"), crowd.came()), (refused, PLACES));
    assert_eq!(ferry.probe("/livez").status, 200);
    crowd.open();
    for mut wire in held {
        assert_eq!(wire.answer().status, 200);
    }

    // Ten callers for each place, who come again at once: each call is one or the other.
    let answered: usize = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..OFFERED).map(|_| scope.spawn(|| insist(&ferry.socket(), CALLS))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    let (most, crossed) = log(&ferry);
    let answered = answered + 1 + PLACES;
    println!("{answered} were answered, {} refused; {most} at once", counted(&ferry, "overloaded"));
    assert_eq!((most, crossed, counted(&ferry, "ok")), (PLACES as u64, answered, answered));
    assert_eq!(counted(&ferry, "overloaded"), 2 * OFFERED * CALLS - PLACES * CALLS + 1 + PLACES - answered);

    assert_eq!(insist(&ferry.socket(), PLACES), PLACES, "the places are free again");
    before.assert_given_back(&ferry, 16 * 1024);
    assert_eq!(running(&ferry), 0);
    assert_ends_well(&mut ferry);
}

/// What the quay was told.
fn told(quay: &Process) -> Value {
    quay.wire().call("quay.told", "").json()
}

/// Sends so many at once.
fn send(quay: &Process, count: usize, fare: &Value) {
    let answer = quay.wire().call("quay.send", json!({"count": count, "fare": fare}).to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Waits until something has come of so many.
fn settled(quay: &Process, count: usize) -> Value {
    let look = || {
        let told = told(quay);
        let ended = ["answered", "refused", "failed"].iter().map(|what| told[what].as_u64().unwrap());
        (ended.sum::<u64>() == count as u64).then_some(told)
    };
    let told = within(LONG, &format!("an end of {count} calls"), look).0;
    assert_eq!(told["failed"], 0, "{told}");
    told
}

#[test]
fn c4_ten_times_the_capacity_over_the_mesh_is_answered_or_told_to_come_again_and_nothing_is_left() {
    // Several times what the places of the other test see at once: who calls over the mesh does not wait for answers.
    const FLOOD: usize = 400;
    let folder = tempfile::tempdir().unwrap();
    let runtime = folder.path().join("run");
    let quay = on_mesh(quay(), &runtime).ready();
    let mut ferry = on_mesh(ferry(), &runtime).ready();
    wait_until_advertised(&ferry);
    send(&quay, 1, &json!({}));
    let mut sent = 1;
    assert_eq!(settled(&quay, sent)["answered"], 1);
    let before = [&ferry, &quay].map(Held::by);

    let crowd = Crowd::closed();
    let gate: Value = serde_json::from_str(&crowd.request()).unwrap();
    send(&quay, PLACES, &gate);
    crowd.wait_for(PLACES);
    send(&quay, OFFERED - PLACES, &gate);
    sent += OFFERED;
    let at_gate = settled(&quay, sent - PLACES);
    assert_eq!((&at_gate["answered"], &at_gate["refused"]), (&json!(1), &json!(OFFERED - PLACES)));
    assert_eq!((counted(&ferry, "overloaded"), crowd.came()), (OFFERED - PLACES, PLACES));
    crowd.open();
    assert_eq!(settled(&quay, sent)["answered"], 1 + PLACES);

    send(&quay, FLOOD, &json!({"millis": 50}));
    sent += FLOOD;
    let flooded = settled(&quay, sent);
    let (most, crossed) = log(&ferry);
    println!("{flooded}; {most} at once");
    assert_eq!((most, json!(crossed)), (PLACES as u64, flooded["answered"].clone()));
    assert_eq!((counted(&ferry, "ok"), counted(&ferry, "overloaded")), (crossed, sent - crossed));

    send(&quay, PLACES, &json!({}));
    sent += PLACES;
    assert_eq!(settled(&quay, sent)["answered"], crossed + PLACES, "the places are free again");
    // The quay calls, and runs the station: it keeps what is remembered of each call for minutes.
    for (process, before, most_kib) in [(&ferry, &before[0], 64 * 1024), (&quay, &before[1], 128 * 1024)] {
        before.assert_given_back(process, most_kib);
    }
    assert_eq!(running(&ferry), 0);
    assert_ends_well(&mut ferry);
}
