//! Two instances of a service, and one that dies.

use std::collections::BTreeMap;

use hecate_om_tests::{Gate, Process, eventually};
use rustix::process::Signal;

use super::{Mesh, ask, asking, wait_until_both_answer};

/// A call that waits at a gate, of a caller that waits so long.
fn within(what: &str, gate: &Gate, timeout_ms: u32) -> String {
    format!(r#"{{"what":"{what}","gate":"{}","timeout_ms":{timeout_ms}}}"#, gate.path())
}

/// Which of them a call waits in, and the other.
fn holding<'a>(one: &'a mut Process, two: &'a mut Process) -> (&'a mut Process, &'a mut Process) {
    let first = eventually("a call in one of them", || {
        let [first, second] = [&*one, &*two].map(|process| process.launch.journal().contains("hold"));
        (first || second).then_some(first)
    });
    if first { (one, two) } else { (two, one) }
}

#[test]
fn p1_calls_are_shared_between_the_instances_of_a_service() {
    let mesh = Mesh::new();
    let (_one, _two) = (mesh.ring("one"), mesh.ring_elsewhere("two"));
    wait_until_both_answer(&mesh.asker);
    let mut answers = BTreeMap::<String, u32>::new();
    for _ in 0..40 {
        let told = ask(&mesh.asker, r#"{"what":"who"}"#);
        *answers.entry(told["seen"]["by"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned()).or_default() += 1;
    }
    assert!(answers.len() == 2 && answers.values().all(|count| *count >= 8), "{answers:?}");
}

#[test]
fn p2_when_a_provider_dies_in_mid_call_what_may_be_done_twice_is_answered_by_another() {
    let mesh = Mesh::new();
    let (mut one, mut two) = (mesh.ring("one"), mesh.ring_elsewhere("two"));
    wait_until_both_answer(&mesh.asker);
    let gate = Gate::closed();
    let asked = asking(&mesh.asker, within("hold_again", &gate, 8000));
    gate.wait_for(1);
    let (dead, _other) = holding(&mut one, &mut two);
    dead.signal(Signal::KILL);
    gate.wait_for(2);
    gate.open();
    let told = asked.join().unwrap();
    assert!(told["seen"].is_object(), "{told}");
    assert_eq!(told["attempts"].as_array().unwrap().len(), 1, "{told}");
}

#[test]
fn p3_when_a_provider_dies_in_mid_call_what_may_not_be_done_twice_is_told_as_uncertain_and_done_once() {
    let mesh = Mesh::new();
    let (mut one, mut two) = (mesh.ring("one"), mesh.ring_elsewhere("two"));
    wait_until_both_answer(&mesh.asker);
    let gate = Gate::closed();
    let asked = asking(&mesh.asker, within("hold", &gate, 4000));
    gate.wait_for(1);
    let (dead, other) = holding(&mut one, &mut two);
    dead.signal(Signal::KILL);
    let told = asked.join().unwrap();
    let error = told["error"].as_str().unwrap_or_else(|| panic!("{told}"));
    assert!(error.contains("the call may have been done or not") || error.contains("did not answer within"), "{told}");
    assert_eq!((told["attempts"].as_array().unwrap().len(), &told["is_retryable"]), (1, &true.into()), "{told}");
    assert_eq!((gate.came(), other.launch.journal().as_str()), (1, ""), "it was done once");
    // The dead one had the freshest advertisement, and gets no call any more.
    let told = ask(&mesh.asker, r#"{"what":"who","times":20}"#);
    assert!(told["answered"] == 20 && told["took_ms"].as_u64().unwrap() < 10_000, "{told}");
}
