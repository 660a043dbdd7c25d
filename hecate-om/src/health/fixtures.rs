//! A board for tests of this module.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Health;
use super::board::{Board, Finding, Phase};
use crate::dispatch::Dispatch;
use crate::service::{IdentitySpec, ServiceInfo};

static INFO: ServiceInfo = {
    let identity = IdentitySpec::new("lab", &[], &[], 30);
    ServiceInfo::new("hecate-lab", "1.2.3", "Looks.", "lab::Lab", "lab.rs:1", &[], identity, 8470, "{}")
};

/// The board of a service that runs.
pub(crate) fn running() -> Arc<Board> {
    let board = Board::new(&INFO, Dispatch::new(&INFO));
    board.enter(Phase::Running);
    board
}

/// What a check found at that time.
pub(super) fn found_at(at: Instant, health: Health) -> Finding {
    Finding { health, code: None, at, took: Duration::from_millis(3) }
}

/// What a check found just now.
pub(super) fn found(health: Health) -> Finding {
    found_at(Instant::now(), health)
}
