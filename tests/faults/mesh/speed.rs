//! M2: how long a service takes onto the mesh that offers much.

use std::time::Instant;

use super::*;
use crate::assert_ends_well;

#[test]
fn m2_fifty_capabilities_are_ready_as_fast_as_without_a_mesh_and_advertised_soon() {
    let stage = stage();
    let (fifty, few) = (meshed("fifty"), sayer());
    // The first boot of each makes a key, which is not measured.
    assert_ends_well(&mut stage.dialed_by(fifty.clone()).ready());
    assert_ends_well(&mut stage.dialed_by(few.clone()).ready());
    let fastest = |launch: &Launch| {
        let times = (0..4).map(|_| {
            let begun = Instant::now();
            let mut process = launch.clone().ready();
            let took = begun.elapsed();
            assert_ends_well(&mut process);
            took
        });
        times.min().unwrap()
    };
    let (on, off) = (fastest(&stage.dialed_by(fifty.clone())), fastest(&fifty));
    let two = fastest(&stage.dialed_by(few));
    println!(
        "ready with 50 capabilities on the mesh after {on:?}, without it after {off:?}; with two on it after {two:?}"
    );
    let patience = Duration::from_millis(500);
    assert!(on < off * 2 + patience, "{on:?} on the mesh, {off:?} without it");
    assert!(on < two * 2 + patience, "{on:?} with fifty, {two:?} with two");

    let process = stage.dialed_by(fifty).ready();
    // Some five seconds with two processors for both, and those of an unoptimised build.
    let (_, took) =
        within(Duration::from_secs(60), "all of them are advertised", || is_advertised(&process).then_some(()));
    println!("50 capabilities are advertised {took:?} after they were ready");
    let mesh = on_mesh(&process);
    assert_eq!((&mesh["offered"], &mesh["advertised"]), (&json!(53), &json!(53)));
    well(&process);
}
