//! C1: handlers that panic, in every way there is.

use hecate_om_tests::lab::INSIDE;
use hecate_om_tests::{Gate, Lab, Process, Wire, block_on, eventually};
use serde_json::{Value, json};

use crate::{assert_answers, assert_ends_well, assert_has_call_id, assert_still_answers, lab};

fn only_line_of(process: &Process, fits: impl Fn(&Value) -> bool) -> Value {
    let lines = eventually("a line in the log", || {
        let lines: Vec<_> = process.log().into_iter().filter(|line| fits(line)).collect();
        (!lines.is_empty()).then_some(lines)
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

#[test]
fn c1_a_panic_is_logged_once_with_its_call_and_its_place() {
    let mut process = lab().ready();
    for how in ["early", "late", "no_text", "evil", "drop", "locked", "twice"] {
        let answer = process.wire().call("lab.fall", json!({"how": how}).to_string());
        let id = answer.json()["call_id"].as_str().unwrap().to_owned();
        let line = only_line_of(&process, |line| line["call_id"] == id.as_str());
        assert_eq!((&line["level"], &line["message"]), (&json!("ERROR"), &json!("handler panicked")));
        assert_eq!((&line["capability"], &line["capability_version"]), (&json!("lab.fall"), &json!(1)));
        // One that comes without a place must not be given that of an earlier one.
        let place = if how == "twice" { "unknown place" } else { "src/lab.rs:" };
        assert!(line["at"].as_str().unwrap().contains(place), "{how}: {line}");
        assert!(matches!(how, "no_text" | "evil") || line["panic"] == INSIDE, "{how}: {line}");
    }
    let answer = process.wire().call("lab.fail", "");
    let id = answer.json()["call_id"].as_str().unwrap().to_owned();
    let line = only_line_of(&process, |line| line["call_id"] == id.as_str());
    assert_eq!((&line["level"], &line["error"]), (&json!("ERROR"), &json!(INSIDE)), "the inside is for the log");
    assert_ends_well(&mut process);
    assert_eq!(process.stderr(), "", "the log has it all");
}

#[test]
fn c1_a_panic_is_logged_though_its_caller_has_gone() {
    let process = lab().ready();
    let gate = Gate::closed();
    let mut gone = process.wire();
    gone.ask("POST", "/capabilities/lab.hold_and_break/v1", gate.request());
    gate.wait_for(1);
    drop(gone);
    gate.open();
    only_line_of(&process, |line| line["capability"] == "lab.hold_and_break");
    assert_answers(&process);
}

#[test]
fn c1_a_handler_that_panics_costs_its_caller_the_call_and_nobody_else_anything() {
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
fn c1_what_fails_inside_stays_inside() {
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
fn c1_panics_are_counted_each_once_and_five_within_a_minute_degrade_the_service() {
    let process = lab().ready();
    let mut wire = process.wire();
    let mut fall = |how: &str| assert_eq!(wire.call("lab.fall", json!({"how": how}).to_string()).code(), "internal");
    let observed = || process.check("runtime.panics")?["observed"].as_f64();
    let counted = || process.sample(r#"hecate_panics_total{scope="handler"}"#);
    assert_eq!(counted(), 0.0);
    ["early", "late", "no_text", "locked"].into_iter().for_each(&mut fall);
    eventually("four are counted", || (observed() == Some(4.0)).then_some(()));
    assert_eq!((counted(), process.probe("/health").status), (4.0, 200));
    fall("drop");
    eventually("five are too many", || (process.probe("/health").status == 503).then_some(()));
    assert_eq!(counted(), 5.0);
    assert_eq!(process.sample(r#"hecate_panics_total{scope="task"}"#), 0.0);
    let report = process.probe("/health").json();
    assert_eq!((&report["status"], process.probe("/readyz").status), (&json!("degraded"), 200));
    assert!(report["reason"].as_str().unwrap().starts_with("runtime.panics: 5 handler panics within 60s"), "{report}");
}

#[test]
fn c1_a_payload_that_panics_in_its_turn_is_no_panic_of_a_task() {
    let process = lab().ready();
    assert_eq!(process.wire().call("lab.fall", r#"{"how":"evil"}"#).code(), "internal");
    assert_eq!(process.sample(r#"hecate_panics_total{scope="task"}"#), 0.0);
}
