use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;

use super::super::format::MAX_LINE;
use super::super::limit::LINES;
use super::*;
use crate::telemetry::Audience;

/// Where the lines of a test go.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log_to(page: &Page, audience: Audience, colour: bool) -> Log {
    let format = Format { audience, colour, service: "hecate-x", version: "1.2.3", instance: "00ff" };
    Log::to(page.clone(), format).unwrap()
}

/// Runs `act` with a subscriber of its own. `tracing` caches what is enabled for the whole process: one
/// that comes while another goes may silence it.
fn alone(subscriber: impl Subscriber + Send + Sync, act: impl FnOnce()) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    tracing::subscriber::with_default(subscriber, act);
}

/// What is written of what `act` says.
fn said(audience: Audience, act: impl FnOnce()) -> String {
    let page = Page::default();
    let log = log_to(&page, audience, false);
    alone(tracing_subscriber::registry().with(log.clone()), act);
    log.flush(Duration::from_secs(10));
    page.text()
}

fn as_json(act: impl FnOnce()) -> Json {
    serde_json::from_str(&said(Audience::Machine, act)).unwrap()
}

fn keys(line: &str) -> Vec<String> {
    // In the order in which they are written: a map of JSON may sort them.
    let mut keys = Vec::new();
    for piece in line.split("\":").filter(|piece| !piece.ends_with('\n')) {
        keys.push(piece.rsplit_once('"').unwrap().1.to_owned());
    }
    keys
}

#[derive(Debug, thiserror::Error)]
#[error("the model is not there")]
struct NoModel(#[source] io::Error);

#[test]
fn the_fields_of_a_line_are_fixed_and_in_order() {
    let line = said(Audience::Machine, || {
        tracing::warn!(zeta = 1, call_id = "c", r#type = true, capability = "x.y", duration_ms = 3_u128, "it broke");
    });
    let fixed = ["timestamp", "level", "message", "target", "service", "version", "instance"];
    assert_eq!(keys(&line), [fixed.as_slice(), &["capability", "call_id", "duration_ms", "zeta", "type"]].concat());
    let line: Json = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["level"], &line["message"]), (&json!("WARN"), &json!("it broke")));
    assert_eq!((&line["service"], &line["version"]), (&json!("hecate-x"), &json!("1.2.3")));
    assert_eq!((&line["duration_ms"], &line["type"]), (&json!(3), &json!(true)));
    let timestamp = line["timestamp"].as_str().unwrap();
    assert_eq!(timestamp.len(), "2026-11-21T09:00:00.000000Z".len(), "{timestamp}");
}

#[test]
fn nobody_overwrites_a_fixed_field() {
    let line = as_json(|| {
        tracing::info!(level = "fine", service = "other", timestamp = 0, x = 1, "whole");
    });
    assert_eq!((&line["level"], &line["field.level"]), (&json!("INFO"), &json!("fine")));
    assert_eq!((&line["service"], &line["field.service"]), (&json!("hecate-x"), &json!("other")));
    assert_eq!((&line["field.timestamp"], &line["x"]), (&json!(0), &json!(1)));
}

#[test]
fn all_causes_of_an_error_are_told() {
    let error = NoModel(io::Error::other("the disk is gone"));
    let line = as_json(|| tracing::error!(error = &error as &dyn std::error::Error, "cannot start"));
    assert_eq!(line["error"], "the model is not there: the disk is gone");
}

#[test]
fn secrets_are_masked_before_they_are_looked_at() {
    struct Unreadable;
    impl Debug for Unreadable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("a secret was formatted")
        }
    }
    for audience in [Audience::Machine, Audience::Person] {
        let line = said(audience, || {
            let span = tracing::info_span!("session", session.cookie = "canary");
            let _inside = span.enter();
            tracing::info!(api_key = ?Unreadable, db.password = "canary", token = 424_242_424_242_u64, tokens = 43_u64, "called");
        });
        assert!(!line.contains("canary") && !line.contains("424242424242"), "{line}");
        assert_eq!(line.matches("***").count(), 4, "{line}");
        assert!(line.contains("tokens"), "{line}");
    }
}

#[test]
fn what_would_act_on_a_terminal_is_escaped() {
    let evil = "one\ntwo\u{1b}[31m\u{9b}K\u{202e}fdp\r\t";
    let line = said(Audience::Person, || tracing::info!(name = evil, "{evil}"));
    let escaped = r"one\ntwo\u{1b}[31m\u{9b}K\u{202e}fdp\r\t";
    assert!(line.ends_with(&format!(" INFO {escaped} name=\"{escaped}\"\n")), "{line}");
    let line = said(Audience::Machine, || tracing::info!(name = evil, "{evil}"));
    assert!(!line.trim_end_matches('\n').chars().any(super::super::text::acts), "{line}");
    let line: Json = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["message"], &line["name"]), (&json!(evil), &json!(evil)));
}

#[test]
fn a_person_sees_where_a_value_ends() {
    let line = said(Audience::Person, || {
        tracing::info!(
            plain = "lab.say",
            path = "/a b",
            quote = "a\"b\\",
            empty = "",
            forged = "x level=ERROR",
            n = 3,
            "told"
        );
    });
    let fields = r#"told plain=lab.say path="/a b" quote="a\"b\\" empty="" forged="x level=ERROR" n=3"#;
    assert!(line.ends_with(&format!(" INFO {fields}\n")), "{line}");
    let page = Page::default();
    let log = log_to(&page, Audience::Person, true);
    alone(tracing_subscriber::registry().with(log.clone()), || tracing::warn!("hot"));
    log.flush(Duration::from_secs(10));
    assert!(page.text().ends_with(" \u{1b}[33m WARN\u{1b}[0m hot\n"), "{:?}", page.text());
}

#[test]
fn values_and_lines_are_bounded() {
    let huge = "\u{1}".repeat(100_000);
    let h = huge.as_str();
    for audience in [Audience::Machine, Audience::Person] {
        let line = said(audience, || {
            tracing::info!(a = h, b = h, c = h, d = h, e = h, f = h, last = 1, "{huge}");
        });
        assert!(line.len() <= MAX_LINE && line.ends_with('\n'), "{}", line.len());
        assert!(line.contains("…(100000 bytes)") && line.contains("omitted_fields"), "{line}");
        assert!(line.contains("last"), "what fits is there");
    }
}

#[test]
fn spans_say_what_their_events_do_not() {
    let line = as_json(|| {
        let outer = tracing::info_span!("outer", call_id = "c1", depth = 1, found = tracing::field::Empty);
        let _outer = outer.enter();
        outer.record("found", 7);
        let inner = tracing::info_span!("inner", depth = 2, level = "odd");
        let _inner = inner.enter();
        tracing::info!(x = 0, "inside");
    });
    assert_eq!((&line["call_id"], &line["depth"], &line["found"]), (&json!("c1"), &json!(2), &json!(7)));
    assert_eq!((&line["level"], &line["field.level"]), (&json!("INFO"), &json!("odd")));
}

#[test]
fn a_storm_from_one_place_is_bounded_and_counted() {
    let kept_back = SUPPRESSED.get();
    let text = said(Audience::Machine, || {
        for _ in 0..10_000 {
            tracing::error!("it broke");
        }
        tracing::info!("calm");
    });
    assert!(SUPPRESSED.get() - kept_back >= 10_000 - LINES);
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // A window may end while a slow machine counts to ten thousand.
    assert!(lines.len() as u64 <= 4 * LINES, "{}", lines.len());
    let broke = lines.iter().filter(|line| line["message"] == "it broke").count() as u64;
    let told: u64 = lines.iter().filter_map(|line| line["suppressed"].as_u64()).sum();
    assert_eq!(broke + told, 10_000);
    let notice = lines.iter().find(|line| line["message"] == "lines suppressed").unwrap();
    assert_eq!(notice["level"], "ERROR");
    assert!(notice["at"].as_str().unwrap().contains("log/tests.rs:"), "{notice}");
    assert!(lines.iter().any(|line| line["message"] == "calm"));
}

#[test]
fn a_new_filter_holds_from_the_next_event_on() {
    fn speak() {
        tracing::debug!(target: "telemetry_test_reload", "detail");
    }
    fn is_enabled() -> bool {
        tracing::enabled!(target: "telemetry_test_reload", Level::DEBUG)
    }
    let only = |level| Targets::new().with_target("telemetry_test_reload", level);
    let page = Page::default();
    let log = log_to(&page, Audience::Machine, false);
    let (filter, handle) = reload::Layer::new(only(Level::INFO));
    let subscriber = tracing_subscriber::registry().with(log.clone().with_filter(filter));
    alone(subscriber, || {
        speak();
        assert!(!is_enabled());
        handle.reload(only(Level::DEBUG)).unwrap();
        assert!(is_enabled());
        speak();
        handle.reload(only(Level::INFO)).unwrap();
        assert!(!is_enabled());
        speak();
    });
    log.flush(Duration::from_secs(10));
    assert_eq!(page.text().matches("detail").count(), 1, "{}", page.text());
}
