//! Streams whose provider dies or goes, and what the command tells of a stream.

use std::time::Duration;

use hecate_om_tests::{Gate, Launch, Process, eventually, within};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Mesh, asker, ring, wait_until_both_answer};

/// A station notices after ten seconds that nothing comes of a node; the asker itself would wait for a minute and more.
const BOUND: Duration = Duration::from_secs(40);

/// A process that calls a service which runs, as a shell does.
fn calling(process: &Process, capability: &str, request: &Value) -> Process {
    process.launch.clone().argument("call").argument(capability).argument(&request.to_string()).start()
}

/// What the asker heard, once it has.
fn heard(asking: &mut Process) -> Value {
    within(BOUND, "what came of a tale", || asking.has_ended().then_some(()));
    assert_eq!(asking.exit_code(), 0, "{}", asking.stderr());
    serde_json::from_str(&asking.stdout()).unwrap()
}

pub(super) fn listen(asker: &Process, tale: &Value) -> Value {
    heard(&mut calling(asker, "asker.listen", tale))
}

/// Waits until the asker has heard a line.
fn wait_for_line(asker: &Process, number: u32) {
    let line = format!("line {number}\n");
    eventually(&line, || asker.launch.journal().contains(&line).then_some(()));
}

/// That two of three lines came, and then that it was cut off.
fn assert_cut_off(heard: &Value) {
    assert_eq!((&heard["lines"], &heard["is_whole"]), (&json!(2), &json!(false)), "{heard}");
    let told = &heard["told"];
    assert_eq!((&told["code"], &told["is_retryable"]), (&Value::Null, &json!(true)), "{heard}");
    assert!(told["error"].as_str().unwrap().starts_with("the connection ended before the reply"), "{heard}");
}

#[test]
fn p10_a_provider_that_is_killed_in_mid_stream_over_the_mesh_is_told_as_the_last_item_with_its_node() {
    let mesh = Mesh::new();
    let mut ring = mesh.ring("one");
    let node = super::told(&ring)["node"].as_str().unwrap().to_owned();
    let whole = listen(&mesh.asker, &json!({"lines": 3}));
    assert_eq!((&whole["lines"], &whole["is_whole"], &whole["provider"]), (&json!(3), &json!(true), &json!(node)));
    let before = mesh.asker.launch.journal().len();

    let gate = Gate::closed();
    let mut listening = calling(&mesh.asker, "asker.listen", &json!({"lines": 3, "gate": gate.path()}));
    gate.wait_for(1);
    eventually("two lines", || mesh.asker.launch.journal()[before..].contains("line 2\n").then_some(()));
    ring.signal(Signal::KILL);
    assert_eq!(ring.exit_code(), -9);
    let heard = heard(&mut listening);
    assert_cut_off(&heard);
    let attempts = heard["told"]["attempts"].as_array().unwrap();
    let named = attempts.iter().any(|attempt| attempt.as_str().unwrap().contains(&node[..8]));
    assert!(named && heard["provider"] == node, "{heard}");
    println!("told after {} ms", heard["told"]["took_ms"]);
}

#[test]
fn p11_a_provider_that_is_killed_in_mid_stream_over_the_socket_is_told_as_the_last_item() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = folder.path().join("run");
    let here = |launch: Launch| launch.with("HECATE_RUNTIME_DIR", runtime.to_str().unwrap());
    let (asker, ring) = (here(asker()).ready(), here(ring("one")).ready());
    let gate = Gate::closed();
    let tale = json!({"lines": 3, "gate": gate.path()});
    let mut listening = calling(&asker, "asker.listen", &tale);
    gate.wait_for(1);
    wait_for_line(&asker, 2);
    let mut command = calling(&ring, "ring.tell", &tale);
    gate.wait_for(2);
    ring.signal(Signal::KILL);
    assert_cut_off(&heard(&mut listening));
    // Nobody takes for whole what was cut off.
    assert_eq!(command.exit_code(), 4, "{}", command.stderr());
    assert_eq!(command.stdout().lines().count(), 2);
    assert!(command.stderr().contains("cut off after 2 items"), "{}", command.stderr());
}

#[test]
fn p12_a_stream_that_is_accepted_is_ended_well_and_new_ones_go_to_the_other() {
    let mesh = Mesh::new();
    let (mut one, _two) = (mesh.ring("one"), mesh.ring_elsewhere("two"));
    wait_until_both_answer(&mesh.asker);
    // Over its socket: that it has much to do is no reason to go elsewhere.
    let gate = Gate::closed();
    let mut telling = calling(&one, "ring.tell", &json!({"lines": 2, "gate": gate.path()}));
    gate.wait_for(1);
    // No lame duck: who has just found it brings it streams that it turns away.
    listen(&mesh.asker, &json!({"lines": 1}));
    one.signal(Signal::INT);
    super::withdrawal::wait_for_step(&one, "new calls are refused");
    let mut turned_away = 0;
    for _ in 0..10 {
        let heard = listen(&mesh.asker, &json!({"lines": 2}));
        let told = (&heard["lines"], &heard["is_whole"], &heard["by"]);
        assert_eq!(told, (&json!(2), &json!(true), &json!("two")), "{heard}");
        turned_away += heard["told"]["attempts"].as_array().unwrap().len();
    }
    println!("{turned_away} streams were turned away first");
    gate.open();
    assert_eq!(telling.exit_code(), 0, "{}", telling.stderr());
    assert_eq!(telling.stdout().lines().count(), 2);
    assert_eq!(one.exit_code(), 0, "{}", one.stdout());
}

#[test]
fn p13_the_command_prints_items_as_they_come_and_tells_by_its_exit_code_how_they_ended() {
    let ring = ring("one").ready();
    let gate = Gate::closed();
    let mut command = calling(&ring, "ring.tell", &json!({"lines": 3, "gate": gate.path()}));
    gate.wait_for(1);
    let lines = "{\"by\":\"one\",\"number\":1}\n{\"by\":\"one\",\"number\":2}\n";
    eventually("two lines before the third is made", || (command.stdout() == lines).then_some(()));
    assert!(!command.has_ended());
    gate.open();
    assert_eq!(command.exit_code(), 0, "{}", command.stderr());
    assert_eq!((command.stdout().lines().count(), command.stderr().as_str()), (3, ""));

    // What came before an error is printed, and the error is not among it.
    let (code, printed, told) = ring.launch.run(&["call", "ring.tell", r#"{"lines":3,"is_lost":true}"#]);
    assert_eq!((code, printed.as_str()), (1, lines), "{told}");
    assert!(told.contains("lost: ") && told.contains("The last line is lost"), "{told}");
    let (code, printed, told) = ring.launch.run(&["call", "ring.tell", r#"{"lines":0}"#]);
    assert_eq!((code, printed.as_str()), (1, ""), "{told}");
    assert!(told.contains("nothing: "), "{told}");

    let items = "{\"by\":\"me\",\"number\":1}\n{\"by\":\"me\",\"number\":2}\n";
    let (code, printed, told) = ring.launch.run(&["call", "ring.hear", items]);
    assert_eq!((code, printed.as_str()), (0, "{\"count\":2}\n"), "{told}");
    let (code, printed, told) = ring.launch.run(&["call", "ring.hear", "{\"by\":\"me\",\"number\":1}\n{\"by\":1}\n"]);
    assert_eq!((code, printed.as_str()), (1, ""), "{told}");
    assert!(told.contains("invalid_request") && told.contains('2'), "{told}");
}
