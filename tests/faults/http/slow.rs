//! H1: clients that take their time.

use std::time::{Duration, Instant};

use hecate_om_tests::wire::head;
use hecate_om_tests::{Lab, Latencies, Wire, allow_many_files, block_on, eventually};

use crate::{assert_alive, assert_answers, assert_both_answer, lab};

/// When a client that sends no head is cut: after five seconds, give or take a busy machine.
const CUT: std::ops::Range<Duration> = Duration::from_millis(4500)..Duration::from_secs(9);

#[test]
fn h1_clients_that_do_not_send_a_head_are_cut_after_five_seconds() {
    let lab = Lab::open();
    let half = "GET /livez HTTP/1.1\r\nhost: x\r\nx-half: ";
    let (socket, address) = (lab.socket().to_owned(), lab.health_address());
    std::thread::scope(|scope| {
        let mut clients = Vec::new();
        for index in 0..2 {
            for how in ["silent", "half", "dribble", "second"] {
                let mut wire = if index == 0 { Wire::unix(&socket) } else { Wire::tcp(address) };
                clients.push(scope.spawn(move || {
                    let begun = Instant::now();
                    match how {
                        "half" => wire.send(half),
                        // One that spoke, and stays away.
                        "second" => {
                            wire.get("/");
                            wire.send("GET ");
                        }
                        "dribble" => {
                            for byte in half.bytes().chain(std::iter::repeat(b'x')) {
                                if wire.try_send([byte]).is_err() || wire.is_closed() {
                                    break;
                                }
                                assert!(begun.elapsed() < CUT.end, "a client that dribbles is not cut");
                                std::thread::sleep(Duration::from_millis(100));
                            }
                        }
                        _ => {}
                    }
                    wire.closed();
                    (how, begun.elapsed())
                }));
            }
        }
        while clients.iter().any(|client| !client.is_finished()) {
            assert_both_answer(&lab);
            std::thread::sleep(Duration::from_millis(50));
        }
        for client in clients {
            let (how, took) = client.join().unwrap();
            assert!(CUT.contains(&took), "{how}: {took:?}");
        }
    });
    assert_eq!(block_on(lab.stop()), 0);
}

#[test]
fn h1_silent_connections_cannot_lock_others_out_of_health() {
    allow_many_files();
    let lab = Lab::open();
    let mut silent: Vec<_> = (0..300).map(|_| Wire::tcp(lab.health_address())).collect();
    for _ in 0..20 {
        assert_alive(&lab);
    }
    // The oldest had to go, at once and not after five seconds; the newest may stay.
    let begun = Instant::now();
    silent.remove(0).closed();
    eventually("those over the limit of 256 to be cut", || {
        let cut = silent.iter_mut().filter_map(|wire| wire.is_closed().then_some(())).count();
        (cut >= 299 - 256).then(|| assert!(cut < 150, "{cut} of 299 are cut"))
    });
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let newest = silent.last_mut().unwrap();
    assert_eq!(newest.get("/livez").status, 200, "the newest silent one is served when it speaks");
}

#[test]
fn h1_clients_that_do_not_read_cannot_lock_others_out_of_health() {
    allow_many_files();
    let lab = Lab::open();
    let requests = head("GET", "/manifest.json", 0).repeat(100);
    let deaf: Vec<_> = (0..260)
        .map(|_| {
            let mut wire = Wire::tcp(lab.health_address());
            let _ = wire.try_send(&requests);
            wire
        })
        .collect();
    // How soon is a matter of how much they asked for first.
    for _ in 0..20 {
        assert_eq!(Wire::tcp(lab.health_address()).get("/livez").status, 200);
    }
    drop(deaf);
    assert_eq!(block_on(lab.stop()), 0);
}

#[test]
fn h1_five_hundred_slow_clients_are_cut_and_nobody_waits() {
    const CLIENTS: usize = 500;
    allow_many_files();
    let process = lab().ready();
    assert_answers(&process);
    let (health, idle) = (process.health_address(), process.open_files());
    let half = "GET /livez HTTP/1.1\r\nhost: x\r\nx-half: ";
    let begun = Instant::now();
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut wire = if number % 2 == 0 { Wire::tcp(health) } else { Wire::unix(process.socket()) };
            if number % 3 == 0 {
                wire.send(half);
            }
            (number % 3 == 1, wire)
        })
        .collect();
    std::thread::scope(|scope| {
        let latencies = scope.spawn(move || Latencies::of_livez(health, 500));
        // A third dribbles, a third is silent, and a third has sent half a head.
        let mut bytes = half.bytes().chain(std::iter::repeat(b'x'));
        while !clients.is_empty() {
            assert!(begun.elapsed() < CUT.end, "{} clients are not cut", clients.len());
            let byte = bytes.next().unwrap_or_default();
            for (_, wire) in clients.iter_mut().filter(|(dribbles, _)| *dribbles) {
                let _ = wire.try_send([byte]);
            }
            for _ in 0..10 {
                clients.retain_mut(|(_, wire)| !wire.is_closed());
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        latencies.join().unwrap().assert_p99_below(Duration::from_millis(50));
    });
    eventually("the files to be closed", || (process.open_files() <= idle).then_some(()));
    assert_answers(&process);
}
