//! Where the numbers come from: whoever keeps them, read at the time of the scrape.

use super::Spread;
use super::calls::{CallCounts, Calls};
use super::health::{CheckFound, HealthState};
use super::mesh::Mesh;
use super::runtime::{Build, Runtime};
use crate::dispatch::tally::Outcome;
use crate::health::board::Board;
use crate::health::pulse::Pulse;

/// In a second.
const NANOSECONDS: f64 = 1e9;

pub(super) fn build(board: &Board) -> Build {
    let info = board.info();
    Build { service: info.name, version: info.version }
}

pub(super) fn health(board: &Board) -> HealthState {
    let summary = board.summary();
    let found = summary.checks.into_iter().map(|check| CheckFound {
        name: check.name.into_owned(),
        is_ok: check.up,
        took: check.took,
        age: check.age,
    });
    HealthState::of(summary.status, found.collect())
}

pub(super) fn calls(board: &Board) -> Calls {
    let counts = board.dispatch().tallies().map(|(info, tally)| CallCounts {
        capability: info.name,
        version: info.version,
        in_flight: tally.running() as u64,
        outcomes: Outcome::ALL.map(|outcome| (outcome.word(), tally.calls(outcome))).to_vec(),
        duration: Spread::of(&tally.durations.snapshot(), NANOSECONDS),
        request_bytes: Spread::of(&tally.requests.snapshot(), 1.0),
        reply_bytes: Spread::of(&tally.replies.snapshot(), 1.0),
    });
    Calls::of(counts.collect(), board.dispatch().unknown())
}

/// Nothing where the service is not on the mesh.
pub(super) fn mesh(board: &Board) -> Option<Mesh> {
    let mesh = board.mesh(false)?;
    Some(Mesh {
        links: mesh.links as u64,
        offered: mesh.offered as u64,
        advertised: mesh.advertised as u64,
        relayed: mesh.relayed,
    })
}

pub(super) fn runtime(board: &Board, pulse: &Pulse, restarts: Vec<(String, u64)>) -> Runtime {
    let lag = pulse.lag();
    Runtime::of(board.dispatch().panics(), restarts, Some(Spread { buckets: lag.counts, sum: lag.sum.as_secs_f64() }))
}
