//! Who may call over the mesh, and how often.

use hecate_om_tests::eventually;

use super::{Mesh, ask, on_mesh, stranger, wait_until_advertised};

#[test]
fn p6_what_is_for_members_is_refused_without_a_good_token_and_answered_to_who_declares_its_use() {
    let mesh = Mesh::new();
    let ring = mesh.ring("one");
    wait_until_advertised(&mesh.asker);
    let told = ask(&mesh.asker, r#"{"what":"member","token":"made up"}"#);
    assert_eq!((&told["code"], &told["is_retryable"]), (&"unauthorized".into(), &false.into()), "{told}");
    assert!(told["error"].as_str().unwrap().contains("let the realm grant `call:hecate-ring/ring.member@1`"), "{told}");
    assert!(!told["error"].as_str().unwrap().contains("made up"), "nobody repeats a token: {told}");
    // The token comes a moment after the link.
    let told = eventually("a token", || {
        let told = ask(&mesh.asker, r#"{"what":"member"}"#);
        told["seen"].is_object().then_some(told)
    });
    assert_eq!(told["seen"]["via"], "mesh", "{told}");
    let node = super::told(&mesh.asker)["node"].as_str().unwrap().to_owned();
    assert!(told["seen"]["by_whom"].as_str().unwrap().contains(&node), "who calls is who signed: {told}");
    assert_eq!(ask(&mesh.asker, r#"{"what":"issued"}"#)["code"], "unauthorized", "of an issuer that is not the realm");
    assert!(ask(&mesh.asker, r#"{"what":"who","token":"made up"}"#)["seen"].is_object(), "what is open is open");
    // Who declares a capability by its name has what it needs for it, too.
    let stranger = on_mesh(stranger(), mesh.runtime()).ready();
    eventually("a token", || {
        let told = stranger.wire().call("stranger.ask", r#"{"what":"member"}"#).json();
        told["seen"].is_object().then_some(())
    });
    assert!(ring.launch.journal().is_empty());
}

#[test]
fn p7_one_caller_makes_four_hundred_calls_within_the_five_minutes_that_the_mesh_remembers() {
    let mesh = Mesh::new();
    let _ring = mesh.ring("one");
    let told = ask(&mesh.asker, r#"{"what":"who","times":400}"#);
    assert_eq!((&told["answered"], &told["error"]), (&400.into(), &serde_json::Value::Null), "{told}");
}
