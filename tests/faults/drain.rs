//! D: signals, crashes and readers that stall.

mod calls;
mod crash;
mod output;
mod signals;

use hecate_om_tests::{Gate, Process, Wire, eventually};

fn held(process: &Process, gate: &Gate) -> Wire {
    let mut wire = process.wire();
    wire.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    wire
}

fn wait_until_draining(process: &Process) {
    eventually("the drain", || (process.probe("/readyz").json()["status"] == "draining").then_some(()));
}
