//! The service that runs the station of the box goes: another takes its place.

use std::time::{Duration, Instant};

use hecate_om_tests::{Process, eventually};
use rustix::process::Signal;

use super::{asker, eventually_answers, on_mesh, ring, told, wait_until_advertised};
use crate::{assert_ends_well, lab};

/// Three services, of which the first has the station.
fn three() -> (tempfile::TempDir, Process, Process, Process) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = folder.path().join("run");
    let owner = on_mesh(lab(), &runtime).with("HECATE_STOP_TIMEOUT", "3s").ready();
    eventually("the station", || has_station(&owner).then_some(()));
    let (asker, ring) = (on_mesh(asker(), &runtime).ready(), on_mesh(ring("one"), &runtime).ready());
    for process in [&owner, &asker, &ring] {
        wait_until_advertised(process);
    }
    assert!(!has_station(&asker) && !has_station(&ring));
    eventually_answers(&asker);
    (folder, owner, asker, ring)
}

fn has_station(process: &Process) -> bool {
    told(process)["development"]["station_here"] == true
}

/// The two that are left have a station again, and reach each other by it.
fn assert_back(asker: &Process, ring: &Process, begun: Instant) {
    eventually("a station", || (has_station(asker) || has_station(ring)).then_some(()));
    eventually_answers(asker);
    for process in [asker, ring] {
        wait_until_advertised(process);
        assert_eq!(process.probe("/readyz").status, 200);
    }
    let took = begun.elapsed();
    println!("back after {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(has_station(asker) != has_station(ring), "one of them");
}

#[test]
fn p4_when_the_station_is_killed_the_others_are_back_within_seconds() {
    let (_folder, mut owner, asker, ring) = three();
    owner.signal(Signal::KILL);
    assert_eq!(owner.exit_code(), -9);
    assert_back(&asker, &ring, Instant::now());
    // Who comes back follows, and is on the mesh like them.
    let owner = owner.launch.clone().ready();
    wait_until_advertised(&owner);
    assert!(!has_station(&owner));
}

#[test]
fn p5_a_service_that_stops_hands_its_station_over() {
    let (_folder, mut owner, asker, ring) = three();
    assert_ends_well(&mut owner);
    assert_back(&asker, &ring, Instant::now());
}
