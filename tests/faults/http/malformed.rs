//! H2: what is no HTTP, or too much of it.

use std::time::Duration;

use hecate_om::testing::TestService;
use hecate_om_tests::wire::head;
use hecate_om_tests::{Lab, Seed, Wire};

use crate::{assert_answers, assert_both_answer, assert_ends_well, lab};

/// A connection to each listener of a service.
fn both(lab: &TestService<Lab>) -> [Wire; 2] {
    [Wire::unix(lab.socket()), Wire::tcp(lab.health_address())]
}

#[test]
fn h2_a_head_has_a_size() {
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
fn h2_what_is_no_http_is_refused_and_closed() {
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
fn h2_a_request_with_two_lengths_of_different_kind_cannot_smuggle_another() {
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
fn h2_a_thousand_pipelined_requests_are_answered_in_order() {
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
fn h2_random_bytes_end_no_service_and_cost_no_memory() {
    let mut process = lab().ready();
    let mut seed = Seed::new();
    let mut round = || {
        for number in 0..300 {
            let mut wire = if number % 2 == 0 { process.wire() } else { Wire::tcp(process.health_address()) };
            let mut bytes = head(["GET", "POST", "HEAD"][seed.below(3)], "/capabilities/lab.say/v1", 4).into_bytes();
            bytes.extend_from_slice(b"{}\r\n");
            for _ in 0..=seed.below(5) {
                let at = seed.below(bytes.len());
                match seed.below(3) {
                    0 => bytes[at] = seed.number().to_le_bytes()[0],
                    1 => drop(bytes.remove(at)),
                    _ => bytes.extend((0..seed.below(300)).map(|_| seed.number().to_le_bytes()[0]).collect::<Vec<_>>()),
                }
            }
            let _ = wire.try_send(&bytes);
            wire.close_half();
            wire.closed();
        }
    };
    round();
    let before = process.resident_kib();
    (0..3).for_each(|_| round());
    let after = process.resident_kib();
    assert!(after < before + 8 * 1024, "{before} KiB before, {after} KiB after");
    assert_answers(&process);
    assert!(process.log().iter().all(|line| line["level"] != "ERROR"), "nothing panicked: {}", process.stdout());
    assert_ends_well(&mut process);
}
