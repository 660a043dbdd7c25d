//! Where the numbers come from: whoever keeps them, read at the time of the scrape.

use super::calls::Calls;
use super::health::HealthState;
use super::runtime::{Build, Runtime};
use crate::health::board::Board;

pub(super) fn build(board: &Board) -> Build {
    let info = board.info();
    Build { service: info.name, version: info.version }
}

pub(super) fn health(board: &Board) -> HealthState {
    HealthState::of(board.report(false).status, Vec::new())
}

pub(super) fn calls(_board: &Board) -> Calls {
    Calls::of(Vec::new())
}

pub(super) fn runtime(_board: &Board) -> Runtime {
    Runtime::of([], None)
}
