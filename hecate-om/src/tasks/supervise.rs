//! Runs one task, and runs it again when it fails: soon at first, then ever more seldom.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::end::Failure;
use crate::health::Health;
use crate::health::board::{Board, CheckId, Finding};
use crate::random;
use crate::telemetry::chain;
use crate::telemetry::panics::{Panic, caught};

/// Makes a run of the task.
pub(super) type Make = Box<dyn FnMut() -> Run + Send>;
type Run = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// The longest wait after the first failure; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait of all.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A run that lasted this long was well: what failed before is forgotten.
const WELL: Duration = Duration::from_secs(60);

/// The longest reason that health shows, in bytes; the log has all of it.
const MAX_REASON: usize = 500;

/// One task, for as long as it lives.
pub(super) struct Supervisor {
    pub(super) name: String,
    pub(super) check: CheckId,
    pub(super) board: Arc<Board>,
    pub(super) draining: CancellationToken,
    pub(super) restarts: Arc<AtomicU64>,
}

/// How a run failed.
struct Failed {
    /// A stable word for it.
    code: &'static str,
    reason: String,
}

impl From<Panic> for Failed {
    fn from(panic: Panic) -> Self {
        Self { code: "panic", reason: panic.to_string() }
    }
}

impl Supervisor {
    pub(super) async fn run(self, mut make: Make) {
        let mut setbacks = Setbacks::default();
        self.note(Health::Ok, None, Instant::now());
        loop {
            let begun = Instant::now();
            let Err(failed) = self.run_once(&mut make, setbacks.longest_wait()).await else {
                self.note(Health::Ok, None, begun);
                tracing::debug!(task = self.name, "task ended");
                return;
            };
            setbacks.add(begun.elapsed());
            let (task, failures, Failed { code, reason }) = (&self.name, setbacks.failures, failed);
            if self.draining.is_cancelled() {
                tracing::error!(task, failures, code, reason, "task failed while the service ends");
                return;
            }
            let wait = random::below(setbacks.longest_wait());
            tracing::error!(task, failures, code, reason, again_in = ?wait, "task failed");
            self.note(Health::degraded(setbacks.tell(&reason)), Some(code), begun);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.draining.cancelled() => return,
            }
            self.restarts.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One run. It counts as well when it has lasted longer than anybody waited for it.
    async fn run_once(&self, make: &mut Make, doubtful: Duration) -> Result<(), Failed> {
        let begun = Instant::now();
        let mut run = caught(make)?;
        let mut whole = poll_fn(|context| match caught(|| run.as_mut().poll(context)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            Ok(Poll::Ready(Err(failure))) => Poll::Ready(Err(Failed { code: "failed", reason: chain(&*failure) })),
            Err(panic) => Poll::Ready(Err(panic.into())),
        });
        let ended = if doubtful.is_zero() {
            whole.await
        } else {
            match tokio::time::timeout(doubtful, &mut whole).await {
                Ok(ended) => ended,
                Err(_) => {
                    self.note(Health::Ok, None, begun);
                    whole.await
                }
            }
        };
        // What it holds may panic when it is dropped.
        caught(move || drop(run))?;
        ended
    }

    fn note(&self, health: Health, code: Option<&'static str>, begun: Instant) {
        self.board.note(self.check, Finding { health, code, at: Instant::now(), took: begun.elapsed() });
    }
}

/// The failures in a row.
#[derive(Debug, Default)]
struct Setbacks {
    failures: u32,
}

impl Setbacks {
    /// One more, of a run that lasted that long.
    fn add(&mut self, lasted: Duration) {
        if lasted >= WELL {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// The longest that the next run is waited for; nothing without a failure.
    fn longest_wait(&self) -> Duration {
        match self.failures {
            0 => Duration::ZERO,
            failures => FIRST_WAIT.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST_WAIT),
        }
    }

    fn tell(&self, last: &str) -> String {
        let times = if self.failures == 1 { "time" } else { "times" };
        let short = &last[..last.floor_char_boundary(MAX_REASON)];
        let more = if short.len() < last.len() { "..." } else { "" };
        format!("failed {} {times}, last: {short}{more}", self.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_thirty_seconds() {
        let mut setbacks = Setbacks::default();
        assert_eq!(setbacks.longest_wait(), Duration::ZERO);
        let mut waits = Vec::new();
        for _ in 0..8 {
            setbacks.add(Duration::ZERO);
            waits.push(setbacks.longest_wait().as_millis());
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        setbacks.failures = u32::MAX;
        setbacks.add(Duration::ZERO);
        assert_eq!(setbacks.longest_wait(), LONGEST_WAIT);
    }

    #[test]
    fn a_minute_that_went_well_makes_up_for_what_failed_before() {
        let mut setbacks = Setbacks::default();
        for lasted in [0, 59, 59] {
            setbacks.add(Duration::from_secs(lasted));
        }
        assert_eq!(setbacks.tell("x"), "failed 3 times, last: x");
        setbacks.add(Duration::from_secs(60));
        assert_eq!((setbacks.tell("x").as_str(), setbacks.longest_wait()), ("failed 1 time, last: x", FIRST_WAIT));
    }

    #[test]
    fn a_reason_is_cut_where_a_character_ends() {
        let told = Setbacks { failures: 1 }.tell(&"ä".repeat(400));
        assert_eq!(told, format!("failed 1 time, last: {}...", "ä".repeat(250)));
    }
}
