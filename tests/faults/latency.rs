//! P1: health tells the truth, at once, however busy the service is.

use std::time::Duration;

use hecate_om_tests::wire::head;
use hecate_om_tests::{Crowd, Gate, Latencies, Launch, ManyFiles, Wire};

/// Each capability has so many places.
const PLACES: usize = 1024;

#[test]
fn h_livez_p99_is_below_50_ms_with_ten_thousand_calls_in_flight_slow_clients_and_blocked_workers() {
    let files = ManyFiles::wait();
    // The service takes half of its files for calls; this process has the other ends, and the slow clients.
    let calls = (files.limit / 2).min(files.limit.saturating_sub(600)).min(10_000);
    if calls < 10_000 {
        println!("scaled down from 10000 to {calls} calls: a process may have {} files", files.limit);
    }
    let process = Launch::of(env!("CARGO_BIN_EXE_hecate-crowd")).ready();
    let (crowd, gate) = (Crowd::closed(), Gate::closed());

    // One for each worker, and the rest waits its turn: nobody is left to answer calls.
    let workers = std::thread::available_parallelism().unwrap().get().max(2);
    let mut wires: Vec<_> = (0..calls)
        .map(|number| {
            let (capability, body) = match number.checked_sub(calls - workers) {
                Some(_) => ("crowd.block/v1".to_owned(), gate.request()),
                None => (format!("crowd.wait/v{}", 1 + number / PLACES), crowd.request()),
            };
            if number == calls - workers {
                crowd.wait_for(number);
            }
            let mut wire = Wire::unix(process.socket());
            wire.ask("POST", &format!("/capabilities/{capability}"), body);
            wire
        })
        .collect();
    gate.wait_for(workers);

    let slow: Vec<_> = (0..256)
        .map(|number| {
            let mut wire = Wire::tcp(process.health_address());
            let half = head("GET", "/livez", 0);
            wire.send(&half[..number % half.len()]);
            wire
        })
        .collect();
    let latencies = Latencies::of_livez(process.health_address(), 500);
    latencies.assert_p99_below(Duration::from_millis(50));
    drop(slow);

    gate.open();
    crowd.open();
    for wire in &mut wires {
        assert_eq!(wire.answer().status, 200);
    }
}
