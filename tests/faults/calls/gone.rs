//! C5: callers that leave.

use std::io::Write;
use std::os::unix::net::UnixStream;

use hecate_om_tests::wire::head;
use hecate_om_tests::{Gate, Lab, Wire, block_on, eventually};
use serde_json::json;

use crate::lab;

#[test]
fn c5_a_call_whose_caller_has_gone_still_runs_to_its_end_once() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    let passed = |wire: &mut Wire| wire.call("lab.count", "").json()["passed"].as_u64().unwrap();
    for (round, resets) in [(1, false), (2, true)] {
        let gate = Gate::closed();
        let mut gone = Wire::unix(lab.socket());
        if resets {
            // A socket that is closed before all was read from it is reset, not only ended.
            gone.ask("POST", "/capabilities/lab.say/v1", r#"{"text":"never read"}"#);
        }
        gone.ask("POST", "/capabilities/lab.hold/v1", gate.request());
        gate.wait_for(1);
        drop(gone);
        assert_eq!(passed(&mut wire), round - 1);
        gate.open();
        eventually("the handler's end", || (passed(&mut wire) == round).then_some(()));
        assert_eq!(gate.came(), 1);
    }
    assert_eq!(block_on(lab.stop()), 0);
}

#[test]
fn c5_a_caller_that_has_sent_may_close_its_half() {
    let lab = Lab::open();
    let gate = Gate::closed();
    let mut wire = Wire::unix(lab.socket());
    wire.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    wire.close_half();
    gate.wait_for(1);
    gate.open();
    let answer = wire.answer();
    assert_eq!((answer.status, answer.json()), (200, json!({"passed": 1})));
    wire.closed();
}

#[test]
fn c5_a_connection_that_breaks_under_a_call_does_not_end_its_handler() {
    let process = lab().ready();
    let passed = || process.wire().call("lab.count", "").json()["passed"].as_u64().unwrap();
    let idle = process.open_files();
    for round in 1..=3 {
        let gate = Gate::closed();
        let mut gone = process.wire();
        // A reply that nobody reads fills the socket; so the `100 Continue` of the next call waits to be
        // written, and while its handler runs the server notices that nobody will ever read it.
        gone.ask("POST", "/capabilities/lab.fill/v1", json!({"bytes": what_fills_a_socket()}).to_string());
        let body = gate.request();
        let asking = head("POST", "/capabilities/lab.hold/v1", body.len());
        gone.send(asking.replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n") + &body);
        gate.wait_for(1);
        drop(gone);
        // Only the handler's own way to the gate is left.
        eventually("the connection to be let go", || (process.open_files() == idle + 1).then_some(()));
        assert_eq!(passed(), round - 1);
        gate.open();
        eventually("the handler's end", || (passed() == round).then_some(()));
    }
}

/// A size that a Unix socket takes in one piece, and after which it takes not one byte more.
fn what_fills_a_socket() -> usize {
    let fits = |bytes: usize| {
        let (mut writer, _reader) = UnixStream::pair().unwrap();
        writer.set_nonblocking(true).unwrap();
        let whole = writer.write(&vec![b'x'; bytes]).is_ok_and(|written| written == bytes);
        (whole, whole && writer.write(b"x").is_err())
    };
    let sizes = (16..4096).map(|kib| kib * 1024).take_while(|bytes| fits(*bytes).0);
    let filling: Vec<_> = sizes.filter(|bytes| fits(*bytes).1).collect();
    filling[filling.len() / 2]
}
