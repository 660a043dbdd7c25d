//! D4: `kill -9` at any moment.

use hecate_om_tests::{Process, Seed, Wire, allow_many_files, eventually};
use rustix::process::Signal;

use crate::{assert_answers, assert_ends_well, lab};

#[test]
fn d4_a_socket_that_a_dead_process_left_is_replaced() {
    let mut dead = lab().ready();
    dead.signal(Signal::KILL);
    assert_eq!(dead.exit_code(), -9);
    assert!(dead.socket().exists(), "nobody could clean up");
    let (code, _, stderr) = dead.launch.run(&["call", "lab.nothing"]);
    assert_eq!(code, 2, "{stderr}");
    let mut next = dead.launch.clone().ready();
    assert_answers(&next);
    assert_ends_well(&mut next);
}
