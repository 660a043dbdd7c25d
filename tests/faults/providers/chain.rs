//! What a call carries along over the mesh.

use super::{Mesh, ask};

#[test]
fn p8_a_circle_over_the_mesh_ends_after_sixteen_hops() {
    let mesh = Mesh::new();
    super::wait_until_advertised(&mesh.asker);
    let ring = mesh.ring("one");
    let told = ask(&mesh.asker, r#"{"what":"round"}"#);
    assert_eq!((&told["code"], &told["is_retryable"]), (&"too_many_hops".into(), &false.into()), "{told}");
    let rounds = format!("{}{}", ring.launch.journal(), mesh.asker.launch.journal());
    let mut hops: Vec<u8> = rounds.lines().map(|line| line.strip_prefix("round ").unwrap().parse().unwrap()).collect();
    hops.sort_unstable();
    // `asker.ask` was the call that nobody's led to.
    assert_eq!(hops, (1..=16).collect::<Vec<_>>());
}

#[test]
fn p9_a_provider_has_no_more_time_than_its_caller_and_the_same_trace() {
    let mesh = Mesh::new();
    let mut ring = mesh.ring("one");
    let told = ask(&mesh.asker, r#"{"what":"who","timeout_ms":2500}"#);
    let left = told["seen"]["left_ms"].as_u64().unwrap_or_else(|| panic!("{told}"));
    assert!(left > 0 && left <= 2500, "{told}");
    // Of the whole minute of `asker.ask` the ring, which gives itself thirty seconds, keeps its own.
    let left = ask(&mesh.asker, r#"{"what":"who"}"#)["seen"]["left_ms"].as_u64().unwrap();
    assert!(left > 2500 && left <= 30_000, "{left}");

    let trace = told["seen"]["trace"].as_str().unwrap();
    assert_eq!(told["seen"]["hops"], 1);
    let line = ring.wait_for_log("was asked");
    let of_asker = mesh.asker.log().into_iter().find(|line| line["message"] == "asks").unwrap();
    assert_eq!(line["trace_id"], trace, "{line}");
    assert_eq!(of_asker["trace_id"], trace, "{of_asker}");
}
