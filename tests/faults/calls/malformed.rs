//! C9: requests that no handler can read.

use hecate_om_tests::wire::head;
use hecate_om_tests::{Lab, Seed, Wire, block_on};

use crate::{assert_both_answer, assert_has_call_id, assert_still_answers};

#[test]
fn c9_a_body_that_ends_early_is_an_invalid_request() {
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
fn c9_a_malformed_request_is_refused_with_its_path_and_what_was_expected() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    let cases: [(&str, &str, &str); 9] = [
        (r#"{"items":[{"price":1},{"price":"x"}]}"#, "items[1].price", "expected f64"),
        (r#"{"items":[{"price":1,"count":"3"}]}"#, "items[0].count", "expected u8"),
        (r#"{"items":[{"price":1,"count":99999999999999999999}]}"#, "items[0].count", "expected u8"),
        (r#"{"items":[{"price":1,"count":-1}]}"#, "items[0].count", "expected u8"),
        (r#"{"items":[{"price":1,"tags":{"hot":1}}]}"#, "items[0].tags.hot", "expected a boolean"),
        (r#"{"items":{}}"#, "items", "expected a sequence"),
        (r#"{"items":[{}]}"#, "items[0]", "missing field `price`"),
        (r#"{"note":"x"}"#, "", "missing field `items`"),
        (r#"{"items":[],"items":[]}"#, "", "duplicate field `items`"),
    ];
    for (request, path, expected) in cases {
        let answer = wire.call("lab.take", request);
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{request}");
        let problem = answer.json();
        assert_eq!(problem["details"]["path"], path, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(expected) && detail.contains(path), "{expected:?} for {request}: {detail}");
        assert_still_answers(&mut wire);
    }
}

#[test]
fn c9_every_malformed_body_is_a_problem_and_the_next_call_works() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    let deep = format!(r#"{{"items":{}"#, "[".repeat(10_000));
    let deep_and_whole = format!(r#"{{"note":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let long = format!(r#"{{"items":[{{"price":1{}}}]}}"#, "0".repeat(100_000));
    let corpus: [&[u8]; 20] = [
        b"",
        b" ",
        b"{",
        br#"{"items":[{"price":1}"#,
        br#"{"items":[{"price":"#,
        br#"{"items":[{"price":NaN}]}"#,
        br#"{"items":[{"price":-Infinity}]}"#,
        br#"{"items":[{"price":1e999}]}"#,
        long.as_bytes(),
        deep.as_bytes(),
        deep_and_whole.as_bytes(),
        b"null",
        b"[1]",
        // serde would take it for the fields of an order.
        b"[[],null]",
        b"\"items\"",
        b"{\"items\":[],\"note\":\"\xff\xfe\"}",
        b"{\"items\":[],\"note\":\"a\0b\"}",
        b"\xef\xbb\xbf{\"items\":[]}",
        b"{\"items\":[]} {}",
        b"\0",
    ];
    for body in corpus {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = wire.call("lab.take", body);
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{shown}");
        assert_has_call_id(&answer);
        assert_eq!(answer.json()["retryable"], false, "{shown}");
        assert_still_answers(&mut wire);
    }
    assert_eq!(block_on(lab.stop()), 0);
}

#[test]
fn c9_a_request_that_is_broken_in_any_way_is_taken_or_refused_and_nothing_else() {
    const ROUNDS: usize = 3000;
    let lab = Lab::open();
    let mut seed = Seed::new();
    let mut wire = Wire::unix(lab.socket());
    let whole = br#"{"items":[{"price":1.5e3,"count":3,"tags":{"a\u00e9\n":true}},{"price":-0}],"note":null}"#;
    for _ in 0..ROUNDS {
        let mut body = whole.to_vec();
        for _ in 0..=seed.below(4) {
            let at = seed.below(body.len());
            match seed.below(4) {
                0 => body[at] = seed.number().to_le_bytes()[0],
                1 => body.truncate(at + 1),
                2 => drop(body.remove(at)),
                _ => {
                    let piece = body[at..].to_vec();
                    body.splice(at..at, piece);
                }
            }
            if body.is_empty() {
                break;
            }
        }
        let answer = wire.call("lab.take", &body);
        if answer.status != 200 {
            let shown = String::from_utf8_lossy(&body).into_owned();
            assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{shown}");
        }
    }
    assert_both_answer(&lab);
}
