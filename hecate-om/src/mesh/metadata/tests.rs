use macula_rust::{cbor, frame};
use serde_json::json;

use super::*;

/// The value as the SDK's own codec hands it to the other side.
fn carried(value: &Value) -> Value {
    frame::check_payload(value).unwrap();
    cbor::decode(&cbor::encode(value).unwrap()).unwrap()
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| entry(key, value)).collect())
}

fn request(told: Value) -> Value {
    map([("name", Value::text("Ada")), (KEY, told)])
}

#[test]
fn what_a_caller_tells_arrives_and_leaves_the_request_as_it_was() {
    let all = Metadata {
        hops: 16,
        traceparent: Some("00-".to_owned() + &"a".repeat(52)),
        deadline_ms: Some(30_000),
        stream: Some([7; 16]),
    };
    let most = Metadata { hops: u8::MAX, traceparent: None, deadline_ms: Some(i64::MAX.unsigned_abs()), stream: None };
    for metadata in [all, most, Metadata::default()] {
        let plain = map([("name", Value::text("Ada"))]);
        let mut payload = plain.clone();
        metadata.put(&mut payload);
        let mut payload = carried(&payload);
        assert_eq!(Metadata::take(&mut payload).unwrap().unwrap(), metadata);
        assert_eq!(payload, plain);
    }
    let mut endless = map([]);
    Metadata { deadline_ms: Some(u64::MAX), ..Metadata::default() }.put(&mut endless);
    assert_eq!(Metadata::take(&mut carried(&endless)).unwrap().unwrap().deadline_ms, Some(i64::MAX.unsigned_abs()));
}

#[test]
fn who_tells_nothing_is_no_hecate_caller() {
    for mut payload in [map([]), map([("hecate", Value::Null)]), Value::Null, Value::List(Vec::new())] {
        assert!(Metadata::take(&mut payload).is_none());
    }
}

#[test]
fn what_is_wrong_is_told_with_its_path_and_a_trace_fails_no_call() {
    let one = || ("v", Value::Int(1));
    let told = [
        (Value::Null, "`_hecate.v`: is missing"),
        (map([("hops", Value::Int(1))]), "`_hecate.v`: is missing"),
        (map([("v", Value::Int(0))]), "`_hecate.v`: is no integer from 1 to"),
        (map([one(), ("hops", Value::Int(256))]), "`_hecate.hops`: is no integer from 0 to 255"),
        (map([one(), ("hops", Value::Int(-1))]), "`_hecate.hops`: is no integer from 0 to 255"),
        (map([one(), ("hops", Value::text("1"))]), "`_hecate.hops`: is no integer from 0 to 255"),
        (map([one(), ("deadline_ms", Value::Int(-1))]), "`_hecate.deadline_ms`: is no integer from 0 to"),
    ];
    for (told, expected) in told {
        let mut payload = carried(&request(told));
        let error = Metadata::take(&mut payload).unwrap().unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(payload.get(KEY).is_none());
    }
    for trace in [Value::text("x".repeat(65)), Value::Int(1), Value::Null] {
        let mut payload = request(map([one(), ("traceparent", trace), ("hops", Value::Int(2))]));
        let read = Metadata::take(&mut payload).unwrap().unwrap();
        assert_eq!(read, Metadata { hops: 2, ..Metadata::default() });
    }
    let mut later = request(map([("v", Value::Int(7)), ("hops", Value::Int(3)), ("more", Value::Null)]));
    assert_eq!(Metadata::take(&mut later).unwrap().unwrap().hops, 3);
}

#[test]
fn a_refusal_reaches_its_caller_as_it_was_said() {
    let details = json!({"limit": 80, "share": 0.5, "names": ["a", null], "deep": {"x": -1}});
    let refused = CapabilityError::refused("too_long", "Der Name ist zu lang: 水.").with_details(details.clone());
    let read = take_refusal(&mut carried(&refusal(&refused))).unwrap();
    assert_eq!((read.code(), read.message()), ("too_long", "Der Name ist zu lang: 水."));
    assert_eq!(read.details(), Some(&details));
    assert!(!read.is_retryable());

    let refused = CapabilityError::unavailable("not yet");
    let read = take_refusal(&mut carried(&refusal(&refused))).unwrap();
    assert_eq!(read.kind(), &ErrorCode::Unavailable);
    assert!(read.is_retryable());
    assert_eq!(read.retry_after(), refused.retry_after());
    assert!(read.details().is_none());
}

#[test]
fn details_that_cannot_be_carried_are_left_out_and_named() {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let details = json!({"ok": true, "no": false, "big": u64::MAX, "list": [1, u64::MAX, 3], "deep": deep, "text": "x".repeat(100_000)});
    let refused = CapabilityError::refused("odd", "odd").with_details(details);
    let read = take_refusal(&mut carried(&refusal(&refused))).unwrap();
    let details = read.details().unwrap();
    assert_eq!((&details["ok"], &details["no"]), (&json!(1), &json!(0)));
    assert_eq!(details["list"], json!([1, null, 3]));
    assert!(details.get("big").is_none() && details.get("text").is_none());
    let named: Vec<_> = details["_left_out"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(named.len(), 4, "{named:?}");
    assert!(["big", "list[1]", "text"].iter().all(|path| named.contains(path)), "{named:?}");
    assert!(named.iter().any(|path| path.starts_with("deep[0][0]")), "{named:?}");

    let many = CapabilityError::refused("odd", "odd").with_details(json!(vec![0; 200_000]));
    take_refusal(&mut carried(&refusal(&many))).unwrap();
    // Nor do the places of what is left out add up to more than a frame takes.
    let nested = (0..40).fold(json!(0), |inner, _| [vec![inner], vec![json!(0); 5_000]].concat().into());
    let nested = CapabilityError::refused("odd", "odd").with_details(nested);
    take_refusal(&mut carried(&refusal(&nested))).unwrap();
    let alone = CapabilityError::refused("odd", "odd").with_details(json!(u64::MAX));
    let read = take_refusal(&mut carried(&refusal(&alone))).unwrap();
    assert_eq!(read.details().unwrap(), &json!({"_left_out": [""]}));
}

#[test]
fn a_reply_is_no_refusal() {
    let mut reply = map([("message", Value::text("hello")), (KEY, map([("v", Value::Int(1))]))]);
    assert!(take_refusal(&mut reply).is_none());
    assert_eq!(reply, map([("message", Value::text("hello"))]));
    assert!(take_refusal(&mut Value::Null).is_none());
}

#[test]
fn a_refusal_that_makes_no_sense_is_one_still() {
    let errors = [
        Value::Null,
        map([("code", Value::Int(1))]),
        map([("code", Value::text("No Code"))]),
        map([("code", Value::text("x".repeat(65)))]),
    ];
    for error in errors {
        let mut reply = carried(&map([(KEY, map([("error", error)]))]));
        assert_eq!(take_refusal(&mut reply).unwrap().code(), "internal");
    }
    let bytes = map([("code", Value::text("odd")), ("details", Value::List(vec![Value::Bytes(vec![1])]))]);
    let read = take_refusal(&mut map([(KEY, map([("error", bytes)]))])).unwrap();
    assert_eq!((read.code(), read.message(), read.details()), ("odd", "", Some(&json!([null]))));
}

#[test]
fn the_text_for_others_fits_and_is_whole_characters() {
    assert_eq!(text(&CapabilityError::refused("no_name", "nobody")), "no_name: nobody");
    for shift in 0..4 {
        let message = "x".repeat(shift) + &"水🦜".repeat(100);
        let text = text(&CapabilityError::refused("odd", message.clone()));
        assert!((253..=256).contains(&text.len()), "{}", text.len());
        assert!(format!("odd: {message}").starts_with(&text));
    }
}
