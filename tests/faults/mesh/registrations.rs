//! M2: what a station does not take, and a realm that waits for its operator.

use hecate_om_tests::eventually;
use rustix::process::Signal;
use serde_json::Value;

use super::*;

const SAY: &str = "hecate-sayer/sayer.say_v1";

/// How one thing that a service offers stands.
fn offered(process: &Process, procedure: &str) -> Value {
    let mesh = on_mesh(process);
    let rows = mesh["advertisements"].as_array().unwrap();
    rows.iter().find(|row| row["procedure"] == procedure).unwrap().clone()
}

fn wait_for_error(process: &Process, procedure: &str, words: &str) {
    let look = || {
        let row = offered(process, procedure);
        (row["is_advertised"] == false && row["error"].as_str()?.contains(words)).then_some(())
    };
    within(SOON, words, look);
}

#[test]
fn m2_a_registration_that_a_station_refuses_is_told_with_its_reason_until_it_is_taken() {
    let mut stage = stage();
    stage.order(&format!("refuse {SAY} not_authorized"));
    let sayer = stage.dialed_by(sayer()).ready();
    let asker = stage.dialed_by(asker()).ready();
    advertised(&asker);
    wait_for_error(&sayer, SAY, "the station refused it: not_authorized");
    // Each is on its own.
    let whisper = "hecate-sayer/sayer.whisper_v1";
    within(SOON, "the other one is advertised", || (offered(&sayer, whisper)["is_advertised"] == true).then_some(()));
    let (status, error) = ask(&asker, 2_000);
    assert_eq!(status, 503, "{error}");
    assert!(refusal(&error).contains("nobody provides `hecate-sayer/sayer.say@1`"), "{error}");

    let words = ["mesh.advertisements", "1 of 5 are not advertised", SAY, "the station refused it: not_authorized"];
    let took = told(&sayer, Duration::from_secs(80), &words);
    println!("what a station refuses is told after {took:?}");
    assert!(took > Duration::from_secs(40), "a station that is busy is no fault of the service: {took:?}");

    stage.order("accept");
    let (_, took) = within(Duration::from_secs(30), "everything is advertised", || is_advertised(&sayer).then_some(()));
    println!("what a station takes at last is advertised after {took:?}");
    well(&sayer);
    reached(&asker);
    assert_eq!(offered(&sayer, SAY).get("error"), None);
}

#[test]
fn m2_a_service_that_is_admitted_later_is_pending_until_then_and_advertised_without_a_restart() {
    let mut stage = stage();
    stage.order("hold admission hecate-sayer");
    let sayer = stage.dialed_by(sayer()).ready();
    let words = ["identity.claim", "holds this claim pending since", "ask its operator to admit org hecate-sayer"];
    let took = told(&sayer, SOON, &words);
    println!("a claim that is pending is told after {took:?}");
    wait_for_error(&sayer, SAY, "the realm has not admitted org `hecate-sayer`");
    assert_eq!(on_mesh(&sayer)["advertised"], 0);

    stage.order("allow admission hecate-sayer");
    let (_, took) = within(Duration::from_secs(60), "everything is advertised", || is_advertised(&sayer).then_some(()));
    println!("a service that is admitted is advertised after {took:?}");
    well(&sayer);
    let asker = stage.dialed_by(asker()).ready();
    reached(&asker);
}

#[test]
fn m2_what_drains_is_found_by_nobody_before_it_refuses_a_call() {
    let stage = stage();
    let mut sayer = stage.dialed_by(sayer()).with("HECATE_STOP_TIMEOUT", "60s").ready();
    let asker = stage.dialed_by(asker()).ready();
    advertised(&sayer);
    advertised(&asker);
    let told = |process: &Process, step: &str| process.log().iter().any(|line| line["step"] == step);
    sayer.signal(Signal::TERM);
    eventually("its advertisements are taken back", || told(&sayer, "taken back from the mesh").then_some(()));
    // It never looked before, so that it knows nobody of whom nothing is found.
    let (status, error) = ask(&asker, 2_000);
    assert!(!told(&sayer, "new calls are refused"), "{}", sayer.stdout());
    assert_eq!(status, 503, "{error}");
    assert!(refusal(&error).contains("nobody advertises it on the mesh"), "{error}");
    assert_eq!(sayer.exit_code(), 0, "{}", sayer.stdout());
}
