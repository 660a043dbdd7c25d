//! D4: `kill -9` at any moment.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hecate_om_tests::{Gate, Launch, Process, Seed, allow_many_files};
use rustix::process::Signal;

use super::held;
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

/// What must hold of the folder of a service that was killed at any moment, and of the next one.
fn assert_takes_over(launch: &Launch) -> Process {
    let process = launch.clone().ready();
    assert_answers(&process);
    assert_eq!(process.probe("/readyz").status, 200);
    let lock = std::fs::read_to_string(launch.home().join("run/lock")).unwrap();
    assert_eq!(lock.trim(), process.pid().to_string(), "the lock is taken over");
    let files = |folder: &str| {
        let entries = std::fs::read_dir(launch.home().join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(files("sockets"), ["api.sock"], "nothing half-made is left");
    assert_eq!(files("run"), ["health.addr", "lock"], "nothing half-made is left");
    process
}

/// A file of the folder is there whole, or not at all.
fn assert_no_half_file(launch: &Launch) {
    if let Ok(address) = std::fs::read_to_string(launch.home().join("run/health.addr")) {
        assert!(address.starts_with("http://127.0.0.1:") && address.ends_with("/health"), "{address:?}");
    }
}

#[test]
fn d4_after_five_hundred_kills_at_any_moment_each_next_boot_is_clean() {
    const KILLS: usize = 500;
    const THREADS: usize = 4;
    allow_many_files();
    let mut seed = Seed::new();
    let killed_in_boot = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for mut seed in (0..THREADS).map(|_| seed.split()).collect::<Vec<_>>() {
            let killed_in_boot = &killed_in_boot;
            scope.spawn(move || {
                let launch = lab();
                // Two kills a round: one anywhere in boot, one of a service that answers calls.
                for round in 0..KILLS / THREADS / 2 {
                    let mut process = launch.clone().start();
                    std::thread::sleep(Duration::from_micros(seed.below(15_000) as u64));
                    process.signal(Signal::KILL);
                    assert_eq!(process.exit_code(), -9);
                    killed_in_boot.fetch_add(usize::from(process.log().is_empty()), Ordering::Relaxed);
                    assert_no_half_file(&launch);

                    let mut process = assert_takes_over(&launch);
                    let gate = Gate::closed();
                    let mut wires: Vec<_> = (0..4).map(|_| held(&process, &gate)).collect();
                    gate.wait_for(seed.below(wires.len() + 1));
                    // On its way out it takes away what it made.
                    let is_stopping = round % 4 == 0;
                    if is_stopping {
                        process.signal(Signal::TERM);
                    }
                    std::thread::sleep(Duration::from_micros(seed.below(3_000) as u64));
                    process.signal(Signal::KILL);
                    let code = process.exit_code();
                    assert!(code == -9 || is_stopping && code == 0, "{code}: {}", process.stdout());
                    for wire in &mut wires {
                        let told = wire.try_answer();
                        assert!(
                            told.is_none_or(|told| is_stopping && told.code() == "draining"),
                            "nobody let it through"
                        );
                    }
                    assert_no_half_file(&launch);
                }
                assert_ends_well(&mut assert_takes_over(&launch));
                assert!(!launch.home().join("run/health.addr").exists());
            });
        }
    });
    println!("{} of {} kills during boot came before its end", killed_in_boot.into_inner(), KILLS / 2);
}
