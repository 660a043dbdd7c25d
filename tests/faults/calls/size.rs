//! C10: requests and replies that are too large, or say that they are.

use std::time::{Duration, Instant};

use hecate_om_tests::wire::head;
use hecate_om_tests::{Lab, Wire, block_on};
use serde_json::json;

use crate::{assert_both_answer, lab};

const MIB: usize = 1 << 20;

/// A request of exactly `bytes` bytes.
fn say(bytes: usize) -> String {
    let frame = r#"{"text":""}"#.len();
    format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes - frame))
}

#[test]
fn c10_a_body_of_the_limit_passes_and_one_byte_more_does_not() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    let answer = wire.call("lab.say", say(MIB));
    assert_eq!((answer.status, answer.body.len()), (200, MIB));
    let answer = wire.call("lab.say", say(MIB + 1));
    assert_eq!((answer.status, answer.code().as_str()), (413, "payload_too_large"));
    assert_eq!(answer.json()["details"]["limit_bytes"], MIB);
    assert!(answer.json()["call_id"].is_string());
    assert_eq!(wire.call("lab.say", say(100)).status, 200, "the connection is still good");
}

#[test]
fn c10_a_body_that_says_that_it_is_too_large_is_refused_before_it_is_sent() {
    let lab = Lab::open();
    let mut wires = [MIB + 1, 1 << 30, usize::MAX >> 1].map(|length| {
        let mut wire = Wire::unix(lab.socket());
        wire.send(head("POST", "/capabilities/lab.say/v1", length));
        wire.send("{\"te");
        let answer = wire.answer();
        assert_eq!((answer.status, answer.code().as_str()), (413, "payload_too_large"), "{length}");
        wire
    });
    for wire in &mut wires {
        assert!(wire.closed() < Duration::from_secs(5), "nobody waits for what was refused");
    }
    assert_both_answer(&lab);
}

#[test]
fn c10_a_caller_that_asks_first_is_only_told_to_send_what_is_taken() {
    let lab = Lab::open();
    let asking =
        |path: &str, length: usize| head("POST", path, length).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    for (path, length, status) in [("/capabilities/lab.say/v1", MIB + 1, 413), ("/capabilities/lab.sya/v1", 100, 404)] {
        let mut wire = Wire::unix(lab.socket());
        wire.send(asking(path, length));
        assert_eq!(wire.answer().status, status, "{path} is answered at once");
    }
    let mut wire = Wire::unix(lab.socket());
    wire.send(asking("/capabilities/lab.say/v1", MIB));
    assert_eq!(wire.answer().status, 100);
    wire.send(say(MIB));
    assert_eq!(wire.answer().status, 200);
}

#[test]
fn c10_a_chunked_body_is_refused_once_it_is_past_the_limit() {
    let lab = Lab::open();
    let chunked = "POST /capabilities/lab.say/v1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut wire = Wire::unix(lab.socket());
    wire.send(chunked);
    let body = say(MIB);
    for chunk in body.as_bytes().chunks(MIB / 4) {
        wire.send(format!("{:x}\r\n", chunk.len()));
        wire.send(chunk);
        wire.send("\r\n");
    }
    wire.send("0\r\n\r\n");
    assert_eq!(wire.answer().status, 200, "exactly the limit");

    // One that never ends: the answer comes while it is still being sent.
    wire.send(chunked);
    let chunk = format!("{:x}\r\n{}\r\n", MIB / 4, " ".repeat(MIB / 4));
    for _ in 0..5 {
        wire.send(&chunk);
    }
    let answer = wire.answer();
    assert_eq!((answer.status, answer.code().as_str()), (413, "payload_too_large"));
    assert_both_answer(&lab);
}

#[test]
fn c10_a_caller_that_is_refused_while_it_still_writes_gets_its_answer() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    for _ in 0..3 {
        // More than a socket takes at once, so that the answer comes first.
        let answer = wire.call("lab.sya", say(MIB));
        assert_eq!((answer.status, answer.code().as_str()), (404, "unknown_capability"));
    }
    assert_eq!(wire.call("lab.say", say(100)).status, 200, "the connection is still good");
}

#[test]
fn c10_a_reply_over_the_limit_is_internal_and_the_next_call_works() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    let frame = r#"{"text":""}"#.len();
    let answer = wire.call("lab.fill", json!({"bytes": 16 * MIB - frame}).to_string());
    assert_eq!((answer.status, answer.body.len()), (200, 16 * MIB));
    let answer = wire.call("lab.fill", json!({"bytes": 16 * MIB - frame + 1}).to_string());
    assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
    assert!(answer.json()["call_id"].is_string());
    assert_eq!(wire.call("lab.say", r#"{"text":"a"}"#).status, 200);
}

#[test]
fn c10_a_caller_that_asked_first_and_is_refused_is_not_waited_for() {
    let lab = Lab::open();
    let path = "/capabilities/lab.say/v1";
    let ask = |headers: &str| {
        let mut wire = Wire::unix(lab.socket());
        wire.send(head("POST", path, MIB + 1).replace("\r\n\r\n", headers));
        assert_eq!(wire.answer().status, 413);
        wire.closed()
    };
    // Whoever did not ask may be sending; two seconds of that are read, so that it sees its answer.
    let waited_for = ask("\r\n\r\n");
    // A busy box takes its time now and then, though not each time.
    let not_waited_for = (0..5).map(|_| ask("\r\nexpect: 100-continue\r\n\r\n")).min().unwrap();
    assert!(not_waited_for < waited_for / 2, "{not_waited_for:?}, and {waited_for:?} without asking");
}

#[test]
fn c10_a_body_that_does_not_come_ends_at_the_deadline_of_its_call() {
    let lab = Lab::open();
    for sent in ["", "{\"ga"] {
        let mut wire = Wire::unix(lab.socket());
        let begun = Instant::now();
        wire.send(head("POST", "/capabilities/lab.hurry/v1", 100));
        wire.send(sent);
        let answer = wire.answer();
        assert_eq!((answer.status, answer.code().as_str()), (504, "timeout"), "{sent:?}");
        assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    }
    assert_both_answer(&lab);
    assert_eq!(block_on(lab.stop()), 0, "none of them is in flight");
}

#[test]
fn c10_what_is_too_large_costs_no_memory_and_what_is_compressed_is_not_unpacked() {
    let process = lab().ready();
    let round = || {
        for _ in 0..25 {
            let mut wire = process.wire();
            wire.send(head("POST", "/capabilities/lab.say/v1", 1 << 30));
            assert_eq!(wire.answer().code(), "payload_too_large");
            for encoding in ["gzip", "deflate", "br", "zstd"] {
                let mut wire = process.wire();
                let head = head("POST", "/capabilities/lab.say/v1", PACKED.len());
                wire.send(head.replace("\r\n\r\n", &format!("\r\ncontent-encoding: {encoding}\r\n\r\n")));
                wire.send(PACKED);
                let answer = wire.answer();
                assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{encoding}");
            }
        }
    };
    round();
    let before = process.resident_kib();
    (0..4).for_each(|_| round());
    let after = process.resident_kib();
    assert!(after < before + 8 * 1024, "{before} KiB before, {after} KiB after");
}

/// `{"text":"hello"}` in gzip: whoever unpacks it answers, and would unpack a bomb.
const PACKED: &[u8] = &[
    0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xab, 0x56, 0x2a, 0x49, 0xad, 0x28, 0x51, 0xb2, 0x52, 0xca, 0x48, 0xcd, 0xc9,
    0xc9, 0x57, 0xaa, 5, 0, 0x3c, 0xaa, 0xdc, 0x89, 0x10, 0, 0, 0,
];
