//! What a caller is told, at whichever address it asks.

use hecate_om_tests::lab::Text;
use hecate_om_tests::{Lab, Launch, Wire, block_on, eventually};
use serde_json::json;

/// The call that must work whatever came before.
fn assert_still_answers(wire: &mut Wire) {
    let answer = wire.call("lab.say", r#"{"text":"hello"}"#);
    assert_eq!((answer.status, answer.json()), (200, json!({"text": "hello"})));
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

#[test]
fn what_a_handler_logs_is_told_with_its_call_and_the_trace_of_its_caller() {
    let mut process = Launch::of(env!("CARGO_BIN_EXE_hecate-lab")).ready();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let body = r#"{"text":"a"}"#;
    let head = hecate_om_tests::wire::head("POST", "/capabilities/lab.log/v1", body.len());
    let traced = head.replacen("\r\n", &format!("\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n"), 1);
    let mut wire = process.wire();
    for head in [traced, head] {
        wire.send(head + body);
        assert_eq!(wire.answer().status, 200);
    }
    let lines = eventually("four lines", || {
        let lines = process.log();
        let own: Vec<_> = lines.into_iter().filter(|line| line["text"] == "a").collect();
        (own.len() == 4).then_some(own)
    });
    for line in &lines {
        assert_eq!((&line["capability"], &line["capability_version"]), (&json!("lab.log"), &json!(1)), "{line}");
    }
    let ids: Vec<_> = lines.iter().map(|line| line["call_id"].as_str().unwrap()).collect();
    assert!(ids[0] == ids[1] && ids[2] == ids[3] && ids[0] != ids[2], "{ids:?}");
    let traces: Vec<_> = lines.iter().map(|line| line["trace_id"].as_str().unwrap()).collect();
    assert!(traces[..2] == [trace; 2] && traces[2] == traces[3] && traces[2] != trace, "{traces:?}");
    process.signal(rustix::process::Signal::TERM);
    assert_eq!(process.exit_code(), 0);
}
