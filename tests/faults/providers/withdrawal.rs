//! How a provider goes: whoever looks finds another, whoever knows it is answered.

use std::time::{Duration, Instant};

use hecate_om_tests::{Gate, Process, eventually};
use rustix::process::Signal;

use super::{Mesh, ask, asking, hold, on_mesh, ring, wait_until_advertised, wait_until_both_answer};
use crate::{assert_ends_well, lab};

/// When a step of the drain ended, in milliseconds after its begin.
fn step(process: &Process, step: &str) -> u64 {
    let log = process.log();
    let line = log.iter().find(|line| line["step"] == step).unwrap_or_else(|| panic!("no `{step}` in {log:?}"));
    line["after_ms"].as_u64().unwrap()
}

pub(super) fn wait_for_step(process: &Process, step: &str) {
    eventually(step, || process.log().iter().any(|line| line["step"] == step).then_some(()));
}

#[test]
fn w1_who_looks_for_a_provider_that_goes_finds_nobody_and_who_knows_it_is_answered() {
    let mesh = Mesh::new();
    let stranger = on_mesh(super::stranger(), mesh.runtime()).ready();
    let mut ring = on_mesh(ring("one"), mesh.runtime()).with("HECATE_STOP_TIMEOUT", "60s").ready();
    wait_until_advertised(&ring);
    assert!(ask(&mesh.asker, r#"{"what":"who"}"#)["seen"].is_object());
    ring.signal(Signal::TERM);
    wait_for_step(&ring, "taken back from the mesh");
    // It is in its lame duck for some seconds yet. Who never looked finds nobody; who knew it is answered.
    let told = stranger.wire().call("stranger.ask", r#"{"what":"member"}"#).json();
    let known = ask(&mesh.asker, r#"{"what":"who"}"#);
    assert!(!ring.log().iter().any(|line| line["step"] == "new calls are refused"), "{}", ring.stdout());
    assert!(told["error"].as_str().unwrap_or_default().contains("nobody advertises it on the mesh"), "{told}");
    assert!(known["seen"].is_object(), "{known}");
    assert_eq!(ring.exit_code(), 0, "{}", ring.stdout());
    assert!(step(&ring, "taken back from the mesh") < 3000);
    assert!(step(&ring, "new calls are refused") >= 6000, "a tenth of the time");
}

#[test]
fn w2_a_call_of_the_mesh_that_was_accepted_is_answered_and_new_ones_go_to_the_other() {
    let mesh = Mesh::new();
    let (mut one, two) = (mesh.ring("one"), mesh.ring_elsewhere("two"));
    wait_until_both_answer(&mesh.asker);
    let gate = Gate::closed();
    let mut held = Vec::new();
    // Until one of them is in the first.
    eventually("a call in the first", || {
        held.push(asking(&mesh.asker, hold("hold", &gate)));
        gate.wait_for(held.len());
        one.launch.journal().contains("hold").then_some(())
    });
    one.signal(Signal::TERM);
    wait_for_step(&one, "new calls are refused");
    for _ in 0..10 {
        let told = ask(&mesh.asker, r#"{"what":"who"}"#);
        assert_eq!(told["seen"]["by"], "two", "{told}");
    }
    gate.open();
    for asked in held {
        let told = asked.join().unwrap();
        assert!(told["seen"].is_object(), "{told}");
    }
    assert_eq!(one.exit_code(), 0, "{}", one.stdout());
    assert_eq!(two.probe("/readyz").status, 200);
}

#[test]
fn w3_the_budget_holds_however_small_it_is() {
    let mesh = Mesh::new();
    for budget in ["1s", "2s"] {
        let mut ring = on_mesh(ring("one"), mesh.runtime()).with("HECATE_STOP_TIMEOUT", budget).ready();
        wait_until_advertised(&ring);
        ring.signal(Signal::TERM);
        let begun = Instant::now();
        assert_eq!(ring.exit_code(), 0, "{budget}: {}", ring.stdout());
        assert!(begun.elapsed() < Duration::from_secs(4), "{budget}: {:?}", begun.elapsed());
    }
}

#[test]
fn w4_at_a_terminal_nobody_waits_for_the_lame_duck_and_neither_does_who_is_not_advertised() {
    let mesh = Mesh::new();
    let launch = on_mesh(ring("one"), mesh.runtime()).with("HECATE_STOP_TIMEOUT", "120s");
    let mut ring = launch.ready();
    wait_until_advertised(&ring);
    ring.signal(Signal::INT);
    let begun = Instant::now();
    assert_eq!(ring.exit_code(), 0, "{}", ring.stdout());
    assert!(begun.elapsed() < Duration::from_secs(10), "of twelve seconds: {:?} {}", begun.elapsed(), ring.stdout());
    assert!(step(&ring, "taken back from the mesh") <= step(&ring, "new calls are refused"));
    let told = ask(&mesh.asker, r#"{"what":"who"}"#);
    assert!(told["error"].as_str().unwrap_or_default().contains("nobody advertises it"), "{told}");

    let mut alone = lab().ready();
    let begun = Instant::now();
    assert_ends_well(&mut alone);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(!alone.log().iter().any(|line| line["step"] == "taken back from the mesh"));
}

#[test]
fn w5_a_provider_that_came_again_is_found_again() {
    let mesh = Mesh::new();
    let mut ring = on_mesh(ring("one"), mesh.runtime()).with("HECATE_STOP_TIMEOUT", "1s").ready();
    wait_until_advertised(&ring);
    let node = super::told(&ring)["node"].clone();
    assert_ends_well(&mut ring);
    // The same node takes back what it took back.
    let ring = ring.launch.clone().ready();
    wait_until_advertised(&ring);
    assert_eq!(super::told(&ring)["node"], node);
    super::eventually_answers(&mesh.asker);
}
