//! D2, D3: a signal at any moment, a second one, and a drain that does not end.

use std::time::{Duration, Instant};

use hecate_om_tests::wire::head;
use hecate_om_tests::{Gate, Seed};
use rustix::process::Signal;
use serde_json::json;

use super::{held, wait_until_draining};
use crate::{assert_ends_well, assert_nothing_is_left, lab};

#[test]
fn d3_a_call_that_outlives_the_budget_is_abandoned_and_named() {
    let mut process = lab().with("HECATE_STOP_TIMEOUT", "3s").ready();
    let gate = Gate::closed();
    let _wire = held(&process, &gate);
    let mut half = process.wire();
    half.send(head("POST", "/capabilities/lab.say/v1", 100));
    gate.wait_for(1);
    process.signal(Signal::TERM);
    let begun = Instant::now();
    assert_eq!(process.exit_code(), 75);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(1900) && took < Duration::from_secs(6), "{took:?}");
    let log = process.log();
    let named = log.iter().find(|line| line["capability"] == "lab.hold@1").unwrap_or_else(|| panic!("{log:?}"));
    assert_eq!((&named["calls"], &named["level"]), (&json!(1), &json!("ERROR")));
    assert!(log.iter().any(|line| line["message"].as_str().unwrap().contains("did not come whole")), "{log:?}");
    assert_eq!(process.launch.journal(), "start\nstarted\nstop\n", "`stop` runs all the same");
    assert_nothing_is_left(&process);
}

#[test]
fn d3_a_second_signal_ends_the_service_at_once() {
    let cases = [
        (Signal::TERM, Signal::TERM, 143),
        (Signal::TERM, Signal::INT, 130),
        (Signal::INT, Signal::TERM, 143),
        (Signal::INT, Signal::INT, 130),
    ];
    for (first, second, code) in cases {
        let mut process = lab().ready();
        let gate = Gate::closed();
        let _held = held(&process, &gate);
        let mut blocked = process.wire();
        blocked.ask("POST", "/capabilities/lab.block/v1", gate.request());
        gate.wait_for(2);
        process.signal(first);
        wait_until_draining(&process);
        process.signal(second);
        let begun = Instant::now();
        assert_eq!(process.exit_code(), code, "{first:?}, {second:?}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert_nothing_is_left(&process);
    }
}

#[test]
fn d2_a_signal_while_it_starts_ends_it_within_two_seconds() {
    for how in ["slow", "block"] {
        let gate = Gate::closed();
        let mut process = lab().with("LAB_START", format!("{how}:{}", gate.path())).start();
        gate.wait_for(1);
        process.signal(Signal::TERM);
        let begun = Instant::now();
        assert_eq!(process.exit_code(), 0, "{how}: {}", process.stderr());
        assert!(begun.elapsed() < Duration::from_secs(2), "{how}: {:?}", begun.elapsed());
        assert_eq!(process.launch.journal(), "start\n", "{how}: `stop` without a `start` that ended");
        assert_nothing_is_left(&process);
    }
}

#[test]
fn d2_a_signal_during_the_first_look_at_health_ends_it_in_order() {
    let gate = Gate::closed();
    let mut process = lab().with("LAB_HEALTH", format!("block:{}", gate.path())).start();
    gate.wait_for(1);
    process.signal(Signal::TERM);
    let begun = Instant::now();
    assert_eq!(process.exit_code(), 0, "{}", process.stderr());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(process.launch.journal(), "start\nstarted\nstop\n");
    assert!(!process.stdout().contains("\"ready\""), "{}", process.stdout());
}

#[test]
fn d3_a_stop_that_hangs_or_panics_cuts_the_drain_short() {
    let gate = Gate::closed();
    for (how, said) in [(format!("slow:{}", gate.path()), "did not end in time"), ("panic".to_owned(), "panicked")] {
        let mut process = lab().with("HECATE_STOP_TIMEOUT", "1s").with("LAB_STOP", &how).ready();
        process.signal(Signal::TERM);
        assert_eq!(process.exit_code(), 75, "{how}");
        let log = process.log();
        assert!(
            log.iter().any(|line| line["message"].as_str().unwrap().contains(said) && line["level"] == "ERROR"),
            "{how}: {log:?}"
        );
        assert_nothing_is_left(&process);
    }
}

#[test]
fn d2_a_signal_at_any_moment_of_boot_ends_it_and_the_next_boot_is_clean() {
    let mut seed = Seed::new();
    std::thread::scope(|scope| {
        for mut seed in (0..4).map(|_| seed.split()).collect::<Vec<_>>() {
            scope.spawn(move || {
                let launch = lab();
                for _ in 0..15 {
                    let mut process = launch.clone().start();
                    // Boot takes a few milliseconds; what is waited for is time itself.
                    std::thread::sleep(Duration::from_micros(seed.below(20_000) as u64));
                    process.signal(Signal::TERM);
                    let begun = Instant::now();
                    let code = process.exit_code();
                    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
                    // Before anything of the service ran, the signal ends the process itself.
                    assert!(matches!(code, 0 | -15), "{code}: {}{}", process.stdout(), process.stderr());
                    assert_nothing_is_left(&process);
                    let journal = launch.journal();
                    assert_eq!(journal.matches("started\n").count(), journal.matches("stop\n").count(), "{journal}");
                }
                assert_ends_well(&mut launch.ready());
            });
        }
    });
}
