//! What clients that are slow, broken or hostile can do to the listeners: nothing that others notice.

use std::time::{Duration, Instant};

use hecate_om::testing::TestService;
use hecate_om_tests::wire::head;
use hecate_om_tests::{Gate, Lab, Wire, allow_many_files, block_on, eventually};
use serde_json::json;

const MIB: usize = 1 << 20;
/// When a client that sends no head is cut: after five seconds, give or take a busy machine.
const CUT: std::ops::Range<Duration> = Duration::from_millis(4500)..Duration::from_secs(9);

/// A connection to each listener of a service.
fn both(lab: &TestService<Lab>) -> [Wire; 2] {
    [Wire::unix(lab.socket()), Wire::tcp(lab.health_address())]
}

fn assert_alive(lab: &TestService<Lab>) {
    let begun = Instant::now();
    assert_eq!(Wire::tcp(lab.health_address()).get("/livez").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

fn assert_both_answer(lab: &TestService<Lab>) {
    assert_alive(lab);
    assert_eq!(Wire::unix(lab.socket()).call("lab.say", r#"{"text":"a"}"#).status, 200);
}

/// A request of exactly `bytes` bytes.
fn say(bytes: usize) -> String {
    let frame = r#"{"text":""}"#.len();
    format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes - frame))
}

#[test]
fn a_body_of_the_limit_passes_and_one_byte_more_does_not() {
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
fn a_body_that_says_that_it_is_too_large_is_refused_before_it_is_sent() {
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
fn a_caller_that_asks_first_is_only_told_to_send_what_is_taken() {
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
fn a_chunked_body_is_refused_once_it_is_past_the_limit() {
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
fn a_caller_that_is_refused_while_it_still_writes_gets_its_answer() {
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
fn a_body_that_ends_early_is_an_invalid_request() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    wire.send(head("POST", "/capabilities/lab.say/v1", 100));
    wire.send("{\"text\":");
    wire.close_half();
    if let Some(answer) = wire.try_answer() {
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"));
    }
    for broken in ["zz\r\n", "5\r\nabcdefgh", "-1\r\n", "fffffffffffffffff\r\n"] {
        let mut wire = Wire::unix(lab.socket());
        wire.send("POST /capabilities/lab.say/v1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
        wire.send(broken);
        wire.close_half();
        if let Some(answer) = wire.try_answer() {
            assert_eq!(answer.status, 400, "{broken:?}");
        }
    }
    assert_both_answer(&lab);
    assert_eq!(block_on(lab.stop()), 0, "none of them is in flight");
}

#[test]
fn a_reply_over_the_limit_is_internal_and_the_next_call_works() {
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
fn clients_that_do_not_send_a_head_are_cut_after_five_seconds_and_nobody_else_waits() {
    let lab = Lab::open();
    let half = "GET /livez HTTP/1.1\r\nhost: x\r\nx-half: ";
    let (socket, address) = (lab.socket().to_owned(), lab.health_address());
    std::thread::scope(|scope| {
        let mut clients = Vec::new();
        for index in 0..2 {
            for how in ["silent", "half", "dribble", "second"] {
                let mut wire = if index == 0 { Wire::unix(&socket) } else { Wire::tcp(address) };
                clients.push(scope.spawn(move || {
                    let begun = Instant::now();
                    match how {
                        "half" => wire.send(half),
                        // One that spoke, and stays away.
                        "second" => {
                            wire.get("/");
                            wire.send("GET ");
                        }
                        "dribble" => {
                            for byte in half.bytes().chain(std::iter::repeat(b'x')) {
                                if wire.try_send([byte]).is_err() || wire.is_closed() {
                                    break;
                                }
                                assert!(begun.elapsed() < CUT.end, "a client that dribbles is not cut");
                                std::thread::sleep(Duration::from_millis(100));
                            }
                        }
                        _ => {}
                    }
                    wire.closed();
                    (how, begun.elapsed())
                }));
            }
        }
        while clients.iter().any(|client| !client.is_finished()) {
            assert_both_answer(&lab);
            std::thread::sleep(Duration::from_millis(50));
        }
        for client in clients {
            let (how, took) = client.join().unwrap();
            assert!(CUT.contains(&took), "{how}: {took:?}");
        }
    });
    assert_eq!(block_on(lab.stop()), 0);
}

#[test]
fn a_head_has_a_size() {
    let lab = Lab::open();
    let with = |bytes: usize| format!("GET /livez HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(bytes));
    for (index, mut wire) in both(&lab).into_iter().enumerate() {
        wire.send(with(15 * 1024));
        assert!(matches!(wire.answer().status, 200 | 404), "listener {index}");
    }
    let many: String = (0..10_000).map(|number| format!("x-{number}: 1\r\n")).collect();
    let heads = [
        with(17 * 1024),
        with(100 * 1024),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(40 * 1024)),
        format!("GET /livez HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        // Small ones, far too many: the count is refused, not only the size.
        format!("GET /livez HTTP/1.1\r\nhost: x\r\n{}\r\n", "a:1\r\n".repeat(1000)),
    ];
    for (case, head) in heads.iter().enumerate() {
        for (index, mut wire) in both(&lab).into_iter().enumerate() {
            let _ = wire.try_send(head);
            // Over TCP the answer can be lost to the reset: what counts is that it ends.
            if let Some(answer) = wire.try_answer() {
                assert!(matches!(answer.status, 431 | 414), "case {case} on listener {index}: {answer:?}");
            }
            wire.closed();
        }
        assert_both_answer(&lab);
    }
    let mut wire = Wire::unix(lab.socket());
    wire.send(&heads[0][..16 * 1024 + 512]);
    assert_eq!(wire.answer().status, 431);
}

#[test]
fn what_is_no_http_is_refused_and_closed() {
    let lab = Lab::open();
    let hello: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and more of a client hello\0\0\0\x13\x02";
    let corpus: [(&str, &[u8]); 13] = [
        ("TLS hello", hello),
        ("HTTP/0.9", b"GET /livez\r\n\r\n"),
        ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("HTTP/3.0", b"GET /livez HTTP/3.0\r\nhost: x\r\n\r\n"),
        ("bad UTF-8 in the path", b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("bad UTF-8 in a name", b"GET /livez HTTP/1.1\r\nh\xff: x\r\n\r\n"),
        ("NUL in a value", b"GET /livez HTTP/1.1\r\nhost: a\0b\r\n\r\n"),
        ("a folded header", b"GET /livez HTTP/1.1\r\nhost: x\r\n folded\r\n\r\n"),
        ("a space before the colon", b"GET /livez HTTP/1.1\r\nhost : x\r\n\r\n"),
        ("two lengths", b"POST /livez HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        ("a length that is none", b"POST /livez HTTP/1.1\r\ncontent-length: +1\r\n\r\na"),
        ("not chunked at last", b"POST /livez HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n\r\n"),
        ("chunked in HTTP/1.0", b"POST /livez HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ];
    for (what, bytes) in corpus {
        for (index, mut wire) in both(&lab).into_iter().enumerate() {
            wire.send(bytes);
            if let Some(answer) = wire.try_answer() {
                assert!((400..500).contains(&answer.status), "{what} on listener {index}: {answer:?}");
            }
            let took = wire.closed();
            assert!(took < Duration::from_secs(4), "{what} on listener {index} is only cut after {took:?}");
        }
        assert_both_answer(&lab);
    }
}

#[test]
fn a_request_with_two_lengths_of_different_kind_cannot_smuggle_another() {
    let lab = Lab::open();
    let inner = "POST /capabilities/lab.hold/v1 HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    for (index, mut wire) in both(&lab).into_iter().enumerate() {
        wire.send(format!(
            "POST /capabilities/lab.say/v1 HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
            5 + inner.len()
        ));
        let first = wire.answer();
        assert!((400..500).contains(&first.status), "listener {index}: {first:?}");
        assert!(wire.try_answer().is_none(), "the connection ends with the first answer");
    }
    assert_both_answer(&lab);
}

#[test]
fn a_thousand_pipelined_requests_are_answered_in_order() {
    let lab = Lab::open();
    let [mut local, mut health] = both(&lab);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let requests: String = (0..1000)
                .map(|number| {
                    let body = format!(r#"{{"text":"{number}"}}"#);
                    head("POST", "/capabilities/lab.say/v1", body.len()) + &body
                })
                .collect();
            local.send(requests);
            for number in 0..1000 {
                assert_eq!(local.answer().json()["text"], number.to_string());
            }
        });
        scope.spawn(|| {
            let paths = ["/livez", "/startupz", "/nowhere", "/readyz"];
            let statuses = [200, 200, 404, 200];
            let requests: String = (0..1000).map(|number| head("GET", paths[number % 4], 0)).collect();
            health.send(requests);
            for number in 0..1000 {
                assert_eq!(health.answer().status, statuses[number % 4], "request {number}");
            }
        });
    });
}

#[test]
fn silent_connections_cannot_lock_others_out_of_health() {
    allow_many_files();
    let lab = Lab::open();
    let mut silent: Vec<_> = (0..300).map(|_| Wire::tcp(lab.health_address())).collect();
    for _ in 0..20 {
        assert_alive(&lab);
    }
    // The oldest had to go, at once and not after five seconds; the newest may stay.
    let begun = Instant::now();
    silent.remove(0).closed();
    eventually("those over the limit of 256 to be cut", || {
        let cut = silent.iter_mut().filter_map(|wire| wire.is_closed().then_some(())).count();
        (cut >= 299 - 256).then(|| assert!(cut < 150, "{cut} of 299 are cut"))
    });
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let newest = silent.last_mut().unwrap();
    assert_eq!(newest.get("/livez").status, 200, "the newest silent one is served when it speaks");
}

#[test]
fn clients_that_do_not_read_cannot_lock_others_out_of_health() {
    allow_many_files();
    let lab = Lab::open();
    let requests = head("GET", "/manifest.json", 0).repeat(100);
    let deaf: Vec<_> = (0..260)
        .map(|_| {
            let mut wire = Wire::tcp(lab.health_address());
            let _ = wire.try_send(&requests);
            wire
        })
        .collect();
    // How soon is a matter of how much they asked for first.
    for _ in 0..20 {
        assert_eq!(Wire::tcp(lab.health_address()).get("/livez").status, 200);
    }
    drop(deaf);
    assert_eq!(block_on(lab.stop()), 0);
}

#[test]
fn a_handler_that_blocks_its_thread_does_not_hold_up_other_calls() {
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
fn health_answers_while_every_worker_is_blocked() {
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
