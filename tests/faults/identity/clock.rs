//! A clock that jumps under services that run.

use std::fs;
use std::path::Path;

use hecate_om_tests::{Launch, Process};

use crate::assert_ends_well;
use crate::providers::{Mesh, ask, eventually_answers, on_mesh, ring, wait_until_advertised};

/// With a clock that goes by a file.
fn by_clock(launch: Launch, file: &Path) -> Launch {
    let library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
        .map(|folder| format!("{folder}/faketime/libfaketime.so.1"))
        .into_iter()
        .find(|library| Path::new(library).exists())
        .expect("libfaketime, of the Debian package faketime");
    launch
        .with("LD_PRELOAD", library)
        .with("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap())
        .with("FAKETIME_NO_CACHE", "1")
        .with("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

fn jump(file: &Path, by: &str) {
    let staged = file.with_extension("new");
    fs::write(&staged, by).unwrap();
    fs::rename(staged, file).unwrap();
}

fn assert_goes_on(asker: &Process, ring: &Process, node: &str) {
    eventually_answers(asker);
    wait_until_advertised(ring);
    assert_eq!(super::node(ring), node);
    assert_eq!(ring.probe("/readyz").status, 200);
    assert!(ask(asker, r#"{"what":"member"}"#)["seen"].is_object(), "its tokens are still good");
}

#[test]
#[ignore = "needs faketime: sets the clocks of services"]
fn i11_a_clock_that_jumps_an_hour_either_way_costs_no_service_its_place_on_the_mesh() {
    let mesh = Mesh::new();
    let clock = mesh.folder().join("clock");
    fs::write(&clock, "+0").unwrap();
    let mut ring = by_clock(on_mesh(ring("one"), mesh.runtime()), &clock).ready();
    let node = super::node(&ring);
    assert_goes_on(&mesh.asker, &ring, &node);
    for by in ["+3600", "+0", "-3600", "+0"] {
        jump(&clock, by);
        assert_goes_on(&mesh.asker, &ring, &node);
    }
    assert_ends_well(&mut ring);
}
