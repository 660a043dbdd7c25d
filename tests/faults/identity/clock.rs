//! A clock that jumps under services that run.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use hecate_om_tests::{Launch, Process, eventually};

use crate::assert_ends_well;
use crate::providers::{Mesh, ask, asker, eventually_answers, on_mesh, ring, wait_until_advertised};

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

/// Waits until the ring can be reached again, as who it was.
fn assert_is_back(asker: &Process, ring: &Process, node: &str) {
    eventually_answers(asker);
    wait_until_advertised(ring);
    assert_eq!(super::node(ring), node);
    assert!(ask(asker, r#"{"what":"member"}"#)["seen"].is_object(), "tokens are still good");
}

#[test]
#[ignore = "needs faketime: sets the clocks of services"]
fn i11_a_clock_that_is_an_hour_wrong_is_told_to_callers_and_forgiven_once_it_is_right() {
    let mesh = Mesh::new();
    let clock = mesh.folder().join("clock");
    fs::write(&clock, "+0").unwrap();
    let mut ring = by_clock(on_mesh(ring("one"), mesh.runtime()), &clock).ready();
    let node = super::node(&ring);
    assert_is_back(&mesh.asker, &ring, &node);
    for wrong in ["+3600", "-3600"] {
        jump(&clock, wrong);
        let told = eventually("what is wrong", || {
            let told = ask(&mesh.asker, r#"{"what":"who","timeout_ms":5000}"#);
            told["error"].is_string().then_some(told)
        });
        let error = told["error"].as_str().unwrap();
        assert!(error.contains("its clock differs from this one") && error.contains("NTP"), "{wrong}: {told}");
        // It runs, and answers on its own box.
        assert_eq!(ring.probe("/readyz").status, 200, "{wrong}");
        assert_eq!(ring.wire().call("ring.who", r#"{"gate":""}"#).status, 200, "{wrong}");
        jump(&clock, "+0");
        assert_is_back(&mesh.asker, &ring, &node);
    }
    assert_ends_well(&mut ring);
}

#[test]
#[ignore = "needs faketime: sets the clocks of services"]
fn i11_when_the_clock_of_a_whole_box_jumps_its_services_find_each_other_again() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, runtime) = (folder.path().join("clock"), folder.path().join("run"));
    for by in ["+3600", "-3600"] {
        fs::write(&clock, "+0").unwrap();
        let asker = by_clock(on_mesh(asker(), &runtime), &clock).ready();
        let ring = by_clock(on_mesh(ring("one"), &runtime), &clock).ready();
        let node = super::node(&ring);
        assert_is_back(&asker, &ring, &node);
        jump(&clock, by);
        let begun = Instant::now();
        // An advertisement is asked for once a minute.
        while !ask(&asker, r#"{"what":"who","timeout_ms":5000}"#)["seen"].is_object() {
            assert!(begun.elapsed() < Duration::from_secs(100), "{by}: {:#}", crate::providers::told(&ring));
            std::thread::sleep(Duration::from_millis(100));
        }
        println!("{by}: back after {:?}", begun.elapsed());
        assert_is_back(&asker, &ring, &node);
    }
}
