//! What a caller gets, whatever it sends and whatever a handler does.

use std::time::{Duration, Instant};

use hecate_om_tests::lab::{INSIDE, Text};
use hecate_om_tests::{Answer, Gate, Lab, Wire, allow_many_files, block_on, eventually};
use serde_json::json;

/// The call that must work whatever came before.
fn assert_still_answers(wire: &mut Wire) {
    let answer = wire.call("lab.say", r#"{"text":"hello"}"#);
    assert_eq!((answer.status, answer.json()), (200, json!({"text": "hello"})));
}

fn assert_has_call_id(answer: &Answer) {
    assert!(answer.json()["call_id"].as_str().is_some_and(|id| id.len() > 12), "{answer:?}");
}

#[test]
fn a_malformed_request_is_refused_with_its_path_and_what_was_expected() {
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
fn every_malformed_body_is_a_problem_and_the_next_call_works() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    let deep = format!(r#"{{"items":{}"#, "[".repeat(10_000));
    let deep_and_whole = format!(r#"{{"note":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let long = format!(r#"{{"items":[{{"price":1{}}}]}}"#, "0".repeat(100_000));
    let corpus: [&[u8]; 19] = [
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
fn a_capability_without_a_request_takes_nothing_or_an_object() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    for body in ["", "{}", r#"{"unknown":1}"#] {
        let answer = wire.call("lab.nothing", body);
        assert_eq!((answer.status, answer.json()), (200, json!({})), "{body:?}");
    }
    for body in ["[]", "null", "1", "{"] {
        assert_eq!(wire.call("lab.nothing", body).code(), "invalid_request", "{body:?}");
    }
}

#[test]
fn an_unknown_capability_is_told_with_the_names_that_are_near() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    let answer = wire.call("lab.sya", "{}");
    assert_eq!((answer.status, answer.code().as_str()), (404, "unknown_capability"));
    assert!(answer.json()["detail"].as_str().unwrap().contains("did you mean `lab.say`?"), "{answer:?}");
    assert_eq!(answer.json()["details"]["nearest"][0], "lab.say");

    let answer = wire.call("weather.forecast", "{}");
    assert_eq!(answer.code(), "unknown_capability");
    assert!(answer.json()["detail"].as_str().unwrap().contains("GET /capabilities"), "{answer:?}");

    let answer = wire.call(&"x".repeat(8000), "{}");
    assert_eq!(answer.code(), "unknown_capability");
    assert!(answer.body.len() < 1000, "an address is not echoed whole: {} bytes", answer.body.len());
    assert_still_answers(&mut wire);
}

#[test]
fn an_unsupported_version_is_told_with_those_that_are_here() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    wire.ask("POST", "/capabilities/lab.say/v2", "{}");
    let answer = wire.answer();
    assert_eq!((answer.status, answer.code().as_str()), (404, "unsupported_version"));
    assert_eq!(answer.json()["details"]["versions"], json!([1, 3]));

    wire.ask("POST", "/capabilities/lab.say/v3", r#"{"text":"a"}"#);
    assert_eq!(wire.answer().json(), json!({"text": "aa"}));
}

#[test]
fn an_address_has_one_spelling() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    for version in ["v", "v0", "v01", "v+1", "v1.0", "v65536", "v-1", "vx", "v%31"] {
        wire.ask("POST", &format!("/capabilities/lab.say/{version}"), r#"{"text":"a"}"#);
        let answer = wire.answer();
        assert_eq!((answer.status, answer.code().as_str()), (404, "unsupported_version"), "{version}");
        assert_eq!(answer.json()["details"]["versions"], json!([1, 3]), "{version}");
    }
    for version in ["1", "V1"] {
        wire.ask("POST", &format!("/capabilities/lab.say/{version}"), r#"{"text":"a"}"#);
        let answer = wire.answer();
        assert_eq!((answer.status, answer.code().as_str()), (404, "unknown_capability"), "{version}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("/capabilities/{name}/v{version}"), "{version}");
    }
    for path in ["/", "/capabilities/lab.say", "/capabilities/lab.say/v1/", "/capabilities/../lab.say/v1", "//", "*"] {
        wire.ask("POST", path, "{}");
        let answer = wire.answer();
        assert!(matches!(answer.status, 404 | 405), "{path}: {answer:?}");
        assert!(!answer.code().is_empty());
    }
    assert_still_answers(&mut wire);
}

#[test]
fn a_wrong_method_is_told_with_the_right_one() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    for (method, path, allowed) in [
        ("GET", "/capabilities/lab.say/v1", "POST"),
        ("PUT", "/capabilities/lab.say/v1", "POST"),
        ("POST", "/capabilities", "GET,HEAD"),
        ("DELETE", "/openapi.json", "GET,HEAD"),
    ] {
        wire.ask(method, path, "");
        let answer = wire.answer();
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{method} {path}");
        assert_eq!(answer.code(), "method_not_allowed");
    }
    let answer = wire.get("/nowhere");
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
}

#[test]
fn a_handler_that_panics_costs_its_caller_the_call_and_nobody_else_anything() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    for how in ["early", "late", "no_text", "evil", "drop", "locked", "locked", "twice"] {
        let answer = wire.call("lab.fall", format!(r#"{{"how":"{how}"}}"#));
        assert_eq!((answer.status, answer.code().as_str()), (500, "internal"), "{how}");
        assert_has_call_id(&answer);
        assert!(!String::from_utf8_lossy(&answer.body).contains(INSIDE), "{how}: {answer:?}");
        assert_still_answers(&mut wire);
    }
    let answer = wire.call("lab.hurry_badly", "{}");
    assert_eq!((answer.status, answer.code().as_str()), (500, "internal"), "dropped at its deadline");
    assert_still_answers(&mut wire);
    assert_eq!(block_on(lab.stop()), 0);
}

#[test]
fn what_fails_inside_stays_inside() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    for capability in ["lab.fail", "lab.garble"] {
        let answer = wire.call(capability, "{}");
        assert_eq!((answer.status, answer.code().as_str()), (500, "internal"), "{capability}");
        assert_has_call_id(&answer);
        assert!(!String::from_utf8_lossy(&answer.body).contains(INSIDE), "{capability}: {answer:?}");
        assert_still_answers(&mut wire);
    }
}

#[test]
fn a_handler_that_waits_for_ever_times_out_and_frees_its_place() {
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
fn the_call_after_the_last_place_is_overloaded_and_others_are_not() {
    const PLACES: usize = 1024;
    allow_many_files();
    let lab = Lab::open();
    let gate = Gate::closed();
    let mut running: Vec<_> = (0..PLACES).map(|_| Wire::unix(lab.socket())).collect();
    for wire in &mut running {
        wire.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    }
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
fn a_call_whose_caller_has_gone_still_runs_to_its_end_once() {
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
fn a_caller_that_has_sent_may_close_its_half() {
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
fn a_typed_caller_gets_the_reply_or_the_refusal() {
    let lab = Lab::open();
    let said = block_on(lab.call(Lab::SAY, Text { text: "hello".to_owned() })).unwrap();
    assert_eq!(said.text, "hello");
    let refused = block_on(lab.call(Lab::FAIL, ())).unwrap_err();
    assert_eq!(refused.refusal().unwrap().code(), "internal");
    // Refused before the body is read, while the caller still writes it.
    let refused = block_on(lab.call(Lab::SAY, Text { text: "x".repeat(8 << 20) })).unwrap_err();
    assert_eq!(refused.refusal().map(|error| error.code()), Some("payload_too_large"), "{refused:?}");
}
