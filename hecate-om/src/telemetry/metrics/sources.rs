//! Where the numbers come from: whoever keeps them, read at the time of the scrape.

use super::Spread;
use super::calls::Calls;
use super::health::{CheckFound, HealthState};
use super::runtime::{Build, Runtime};
use crate::health::board::Board;
use crate::health::pulse::Pulse;

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

pub(super) fn calls(_board: &Board) -> Calls {
    Calls::of(Vec::new())
}

pub(super) fn runtime(board: &Board, pulse: &Pulse) -> Runtime {
    let lag = pulse.lag();
    Runtime::of(board.dispatch().panics(), [], Some(Spread { buckets: lag.counts, sum: lag.sum.as_secs_f64() }))
}
