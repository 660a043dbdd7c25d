//! Until when a call may take. Of one that streams, each wait for the next item has that long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// When something last moved on a stream.
#[derive(Debug)]
pub(crate) struct Progress {
    begun: Instant,
    patience: Duration,
    /// In nanoseconds since it began.
    moved: AtomicU64,
}

impl Progress {
    pub(crate) fn new(begun: Instant, patience: Duration) -> Self {
        Self { begun, patience, moved: AtomicU64::new(0) }
    }

    /// Something moved.
    pub(crate) fn touch(&self) {
        let moved = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.moved.store(moved, Ordering::Relaxed);
    }

    /// When it is late unless something moves before.
    pub(crate) fn deadline(&self) -> Instant {
        self.begun + Duration::from_nanos(self.moved.load(Ordering::Relaxed)) + self.patience
    }

    /// Waits until nothing has moved for too long.
    pub(crate) async fn stalled(&self) {
        while self.deadline() > Instant::now() {
            tokio::time::sleep_until(self.deadline()).await;
        }
    }
}

/// When a call is late.
#[derive(Debug, Clone)]
pub(crate) enum Deadline {
    /// Added up when somebody asks: most handlers do not.
    At {
        begun: Instant,
        patience: Duration,
    },
    Moving(Arc<Progress>),
}

impl Deadline {
    pub(crate) fn at(&self) -> Instant {
        match self {
            Self::At { begun, patience } => *begun + *patience,
            Self::Moving(progress) => progress.deadline(),
        }
    }
}
