use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::health::Health;
use crate::health::fixtures::{found, found_at, running};

const SECOND: Duration = Duration::from_secs(1);

fn of(word: char) -> Health {
    match word {
        'o' => Health::Ok,
        'd' => Health::degraded("slow"),
        _ => Health::down("gone"),
    }
}

fn json(report: Report) -> Value {
    serde_json::from_slice(&report.into_json()).unwrap()
}

#[test]
fn what_a_check_finds_counts_as_its_impact_says() {
    // What it found one time after the other; what it is then called, and the service.
    let table = [
        (Impact::Critical, "", "unknown", "ok"),
        (Impact::Critical, "o", "ok", "ok"),
        (Impact::Critical, "d", "degraded", "degraded"),
        (Impact::Critical, "ddddd", "degraded", "degraded"),
        (Impact::Critical, "x", "degraded", "degraded"),
        (Impact::Critical, "xx", "degraded", "degraded"),
        (Impact::Critical, "xxx", "down", "down"),
        (Impact::Critical, "xxxx", "down", "down"),
        (Impact::Critical, "xxxo", "ok", "ok"),
        (Impact::Critical, "xxxd", "degraded", "degraded"),
        (Impact::Critical, "xxoxx", "degraded", "degraded"),
        (Impact::Critical, "xxdx", "degraded", "degraded"),
        (Impact::Critical, "xxoxxx", "down", "down"),
        (Impact::Degrading, "", "unknown", "ok"),
        (Impact::Degrading, "o", "ok", "ok"),
        (Impact::Degrading, "d", "degraded", "degraded"),
        (Impact::Degrading, "x", "degraded", "degraded"),
        (Impact::Degrading, "xxxxx", "degraded", "degraded"),
        (Impact::Degrading, "xxxo", "ok", "ok"),
        (Impact::Info, "", "unknown", "ok"),
        (Impact::Info, "o", "ok", "ok"),
        (Impact::Info, "d", "degraded", "ok"),
        (Impact::Info, "x", "down", "ok"),
        (Impact::Info, "xxxx", "down", "ok"),
    ];
    for (impact, findings, check, service) in table {
        let board = running();
        let id = board.add("disk", impact);
        findings.chars().for_each(|word| {
            board.note(id, found(of(word)));
        });
        let report = json(board.report(true));
        let seen = (&report["checks"][0]["status"], &report["status"]);
        assert_eq!(seen, (&json!(check), &json!(service)), "{impact:?} {findings}");
        assert_eq!(board.is_ready(), service != "down", "{impact:?} {findings}");
        let summary = board.summary();
        assert_eq!(summary.status, service, "{impact:?} {findings}");
        assert_eq!(summary.checks[0].up, check == "ok", "{impact:?} {findings}");
        let in_a_row = findings.chars().rev().take_while(|word| *word != 'o').count();
        assert_eq!(report["checks"][0]["failures"], in_a_row, "{impact:?} {findings}");
    }
}

#[test]
fn the_service_is_what_the_worst_of_its_checks_is() {
    // Critical (believed at once), degrading, info: each as it may be.
    for critical in ['o', 'd', 'x'] {
        for degrading in ['o', 'd', 'x'] {
            for info in ['o', 'd', 'x'] {
                let board = running();
                let believed = board.declare(NewCheck::new("a", Impact::Critical).believed()).unwrap();
                let others = [board.add("b", Impact::Degrading), board.add("c", Impact::Info)];
                board.note(believed, found(of(critical)));
                board.note(others[0], found(of(degrading)));
                board.note(others[1], found(of(info)));
                let expected = match (critical, degrading) {
                    ('x', _) => "down",
                    ('o', 'o') => "ok",
                    _ => "degraded",
                };
                assert_eq!(board.report(true).status, expected, "{critical}{degrading}{info}");
            }
        }
    }
}

#[test]
fn all_causes_are_told_the_worst_first() {
    let board = running();
    let [links, info] = [board.add("mesh.links", Impact::Degrading), board.add("cache", Impact::Info)];
    let service = board.declare(NewCheck::new(SERVICE, Impact::Critical).believed()).unwrap();
    board.note(links, found(Health::degraded("0 of 2 links are up")));
    board.note(info, found(Health::down("cold")));
    board.note(service, found(Health::down("the disk is full")));
    let report = json(board.report(true));
    assert_eq!(report["reason"], "the disk is full; mesh.links: 0 of 2 links are up");
    assert_eq!(board.summary().reason.as_deref(), report["reason"].as_str());
    assert_eq!(report["checks"].as_array().unwrap().len(), 3);

    let far = json(board.report(false));
    assert_eq!(far["status"], "down");
    assert!(far.get("reason").is_none() && far.get("checks").is_none(), "{far}");
}

#[test]
fn a_check_is_shown_with_all_that_is_known_of_it() {
    let board = running();
    let check = NewCheck::new("mesh.links", Impact::Degrading).every(10 * SECOND);
    let id = board.declare(check).unwrap();
    let unknown = &json(board.report(true))["checks"][0];
    assert!(unknown.get("age_ms").is_none() && unknown["status"] == "unknown", "{unknown}");

    let now = Instant::now();
    board.observe(id, 0.0, "links");
    let failed = Finding { code: Some("timeout"), ..found_at(now, Health::down("no route")) };
    assert!(board.note(id, failed.clone()), "it is news");
    assert!(!board.note(id, failed), "it is no news");
    let mut shown = json(board.report_at(now + 2 * SECOND, true))["checks"][0].clone();
    let since = shown["since"].take();
    assert!(since.as_str().unwrap().ends_with('Z'), "{since}");
    let expected = json!({
        "name": "mesh.links", "status": "degraded", "impact": "degrading", "code": "timeout",
        "reason": "no route", "observed": 0.0, "unit": "links", "age_ms": 2000, "took_ms": 3, "failures": 2,
        "since": null, "every_ms": 10000,
    });
    assert_eq!(shown, expected);
}

#[test]
fn what_is_not_renewed_counts_no_more() {
    for (impact, last, check, service) in [
        (Impact::Critical, 'o', "degraded", "degraded"),
        (Impact::Critical, 'x', "down", "down"),
        (Impact::Degrading, 'o', "degraded", "degraded"),
        (Impact::Info, 'o', "degraded", "ok"),
    ] {
        let (board, begun) = (running(), Instant::now());
        let id = board.add_periodic("disk", impact, 10 * SECOND).unwrap();
        let steady = board.add("once", impact);
        for _ in 0..3 {
            board.note(id, found_at(begun, of(last)));
        }
        board.note(steady, found_at(begun, Health::Ok));
        // Three times its interval, and the time that it may take.
        let (fresh, stale) = (begun + 32 * SECOND, begun + 33 * SECOND);
        let report = json(board.report_at(fresh, true));
        assert_ne!(report["checks"][0]["code"], "stale", "{impact:?} {last}");
        let report = json(board.report_at(stale, true));
        let shown = &report["checks"][0];
        assert_eq!((&shown["code"], &shown["status"]), (&json!("stale"), &json!(check)), "{impact:?} {last}");
        assert!(shown["reason"].as_str().unwrap().contains("for 33s"), "{shown}");
        assert_eq!(report["status"], service, "{impact:?} {last}");
        assert_eq!(report["checks"][1]["status"], "ok", "nobody promised to renew it");

        board.note(id, found_at(stale, Health::Ok));
        assert_eq!(board.report_at(stale, true).status, "ok", "{impact:?} {last}: one success is enough");
    }
}

#[test]
fn nothing_is_stale_but_while_the_service_runs() {
    let (board, later) = (running(), Instant::now() + 3600 * SECOND);
    board.add_periodic("disk", Impact::Critical, SECOND).unwrap();
    assert_eq!(json(board.report_at(later, true))["checks"][0]["code"], "stale", "it never found anything");
    for phase in [Phase::Starting, Phase::Draining] {
        board.enter(phase);
        let report = json(board.report_at(later, true));
        assert!(report["checks"][0].get("code").is_none() && report["status"] == phase.word(), "{report}");
        assert!(!board.is_ready());
    }
}

#[tokio::test]
async fn changes_of_the_status_are_told_once_each() {
    let (board, begun) = (running(), Instant::now());
    let mut changes = board.changes();
    assert_eq!(*changes.borrow_and_update(), "ok");
    let id = board.add_periodic("disk", Impact::Degrading, SECOND).unwrap();
    board.note(id, found_at(begun, Health::Ok));
    board.report(true);
    assert!(!changes.has_changed().unwrap());
    board.note(id, found_at(begun, Health::degraded("slow")));
    assert!(changes.has_changed().unwrap());
    assert_eq!(*changes.borrow_and_update(), "degraded");
    board.note(id, found_at(begun, Health::degraded("slower")));
    assert!(!changes.has_changed().unwrap());
    board.note(id, found_at(begun, Health::Ok));
    assert_eq!(*changes.borrow_and_update(), "ok");
    board.change_at(begun + 60 * SECOND, |_, _| ());
    assert_eq!(*changes.borrow_and_update(), "degraded", "the clock changes it, too");
    board.enter(Phase::Draining);
    assert_eq!(*changes.borrow_and_update(), "draining");
}

#[test]
fn names_are_plain_and_nobody_has_the_name_of_another() {
    let board = running();
    let longest = "x".repeat(64);
    for name in ["a", "mesh.links", "a_b-c.9", &longest] {
        board.add_periodic(name.to_owned(), Impact::Info, SECOND).unwrap();
    }
    let longer = "x".repeat(65);
    for name in ["", "A", "9", ".a", "_a", "a b", "a/b", "a\n", "ä", "aÄ", &longer] {
        let error = board.declare(NewCheck::new(name.to_owned(), Impact::Info)).unwrap_err();
        assert_eq!(error, CheckError::Name(name.to_owned()));
        assert!(error.to_string().contains("help: begin with a lower-case letter"), "{error}");
        assert!(error.to_string().len() < 256 && !error.to_string().contains('\n'), "{error}");
    }
    let error = board.add_periodic("mesh.links", Impact::Info, SECOND).unwrap_err();
    assert_eq!(error, CheckError::Duplicate("mesh.links".to_owned()));
    assert!(error.to_string().contains("`mesh.links`"), "{error}");

    let none = board.add("mesh.links", Impact::Critical);
    assert!(!board.note(none, found(Health::down("nobody"))), "what cannot be had is not shown");
    assert_eq!(board.report(true).checks().len(), 4);
}

#[test]
fn there_are_no_more_checks_than_a_body_holds() {
    let board = running();
    for number in 0..MAX_CHECKS {
        let name = format!("c{number:063}");
        let id = board.declare(NewCheck::new(name, Impact::Degrading)).unwrap();
        // Each character takes two bytes in JSON.
        board.note(id, found(Health::degraded("\"".repeat(10_000))));
    }
    assert_eq!(board.declare(NewCheck::new("more", Impact::Info)), Err(CheckError::TooMany));
    let bodies = [Report::into_json, Report::into_draft, |report: Report| report.to_text().into_bytes()];
    let [body, ..] = bodies.map(|form| {
        let body = form(board.report(true));
        assert!((20_000..=64 * 1024).contains(&body.len()), "{}", body.len());
        body
    });
    let report: Value = serde_json::from_slice(&body).unwrap();
    let (shown, left_out) = (report["checks"].as_array().unwrap().len(), report["left_out"].as_u64().unwrap());
    assert_eq!(shown as u64 + left_out, MAX_CHECKS as u64);
    assert!(shown > 0 && report["reason"].as_str().unwrap().len() <= 1024);
}

#[test]
fn reasons_are_on_one_line_and_short() {
    let board = running();
    let id = board.add("disk", Impact::Degrading);
    board.note(id, found(Health::degraded(format!("a\nb\tc\u{1b}{}", "ä".repeat(1000)))));
    let reason = json(board.report(true))["checks"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("a b c ä") && reason.ends_with("ä..."), "{reason}");
    assert!((500..=512).contains(&reason.len()), "{}", reason.len());
}

#[test]
fn a_process_has_one_instance() {
    let instances: BTreeSet<_> = (0..3).map(|_| running().instance()).collect();
    assert_eq!(instances.len(), 1);
    let is_hex = |text: &&str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(instances.iter().all(is_hex), "{instances:?}");
}
