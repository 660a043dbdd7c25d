//! The pulse of the workers: whether they still run what they are given, and how soon.
//!
//! It is felt from the control thread, which no handler can block. The same loop sees to it that
//! somebody watches the sockets and timers of the workers while a handler blocks: a worker that is
//! woken by a socket keeps the watch until it parks again (tokio#4730). When a handler holds it and
//! the others sleep, nobody would see the next call, nor the deadline of another.

mod lag;
mod sleepers;
mod vitals;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};

use self::lag::Lag;
pub(crate) use self::lag::LagSnapshot;
use self::sleepers::Sleepers;
use self::vitals::Vitals;
use super::board::Board;

/// The longest that a handler which blocks its thread keeps others waiting while threads are idle.
const NUDGE: Duration = Duration::from_millis(50);
/// How often the pulse is felt.
const BEAT: Duration = Duration::from_millis(250);
/// How often it is felt of workers that all sleep.
const QUIET_BEAT: Duration = Duration::from_secs(1);
/// After so many nudges in a row for which all workers slept, nobody looks until one wakes.
const QUIET_AFTER: u32 = 20;
/// Workers that have run nothing for so long are stuck.
const STUCK: Duration = Duration::from_secs(10);

/// The pulse of some workers.
pub(crate) struct Pulse {
    sleepers: Arc<Sleepers>,
    lag: Lag,
    /// Whether a beat was sent that did not come back yet; there is never another.
    is_out: AtomicBool,
    /// How long it has been out, in milliseconds, as the control thread has lived it: a process that
    /// was stopped as a whole is not stuck when it goes on.
    out_ms: AtomicU64,
    vitals: OnceLock<Vitals>,
}

impl Pulse {
    /// The pulse of the workers that `builder` will make.
    pub(crate) fn of(builder: &mut Builder) -> Arc<Self> {
        let sleepers = Sleepers::of(builder);
        Arc::new(Self {
            sleepers,
            lag: Lag::new(),
            is_out: AtomicBool::new(false),
            out_ms: AtomicU64::new(0),
            vitals: OnceLock::new(),
        })
    }

    /// Puts `runtime.lag` and `runtime.panics` on the board; `panics` counts those of handlers, for
    /// ever.
    pub(crate) fn report_to(&self, board: Arc<Board>, panics: impl Fn() -> u64 + Send + Sync + 'static) {
        // Told once: there is one board.
        let _ = self.vitals.set(Vitals::new(board, Box::new(panics)));
    }

    /// Whether the workers have run something within the last ten seconds.
    pub(crate) fn alive(&self) -> bool {
        self.overdue() < STUCK
    }

    /// For how long the workers have run nothing of what they were given.
    pub(crate) fn overdue(&self) -> Duration {
        Duration::from_millis(self.out_ms.load(Ordering::Relaxed))
    }

    /// How soon the workers run what they are given.
    pub(crate) fn lag(&self) -> LagSnapshot {
        self.lag.snapshot()
    }

    /// Feels the pulse for ever; on another thread than the workers.
    pub(crate) async fn watch(self: Arc<Self>, workers: Handle) {
        let count = workers.metrics().num_workers();
        let (mut quiet, mut looked) = (0, Instant::now());
        let mut beaten: Option<Instant> = None;
        loop {
            let now = Instant::now();
            self.count_time(now - looked);
            looked = now;
            let asleep = self.sleepers.count();
            let is_out = self.is_out.load(Ordering::Acquire);
            quiet = if asleep == count && !is_out { quiet + 1 } else { 0 };
            let every = if quiet > QUIET_AFTER { QUIET_BEAT } else { BEAT };
            let is_due = beaten.is_none_or(|beaten| now - beaten >= every);
            if is_due && !is_out {
                self.beat(&workers);
                beaten = Some(now);
            } else if (1..count).contains(&asleep) {
                // Whoever wakes for this takes the watch when it parks.
                workers.spawn(async {});
            }
            if let Some(vitals) = self.vitals.get() {
                vitals.look(now, self.lag.last(), self.overdue());
            }
            if quiet > QUIET_AFTER && !is_due {
                let rest = beaten.map_or(NUDGE, |beaten| (beaten + QUIET_BEAT).saturating_duration_since(now));
                if self.sleepers.until_one_wakes(count, rest).await {
                    quiet = 0;
                }
            } else {
                tokio::time::sleep(NUDGE).await;
            }
        }
    }

    fn beat(self: &Arc<Self>, workers: &Handle) {
        self.out_ms.store(0, Ordering::Relaxed);
        self.is_out.store(true, Ordering::Release);
        let (pulse, sent) = (Arc::clone(self), Instant::now());
        workers.spawn(async move {
            pulse.lag.note(sent.elapsed());
            pulse.out_ms.store(0, Ordering::Relaxed);
            pulse.is_out.store(false, Ordering::Release);
        });
    }

    fn count_time(&self, passed: Duration) {
        if self.is_out.load(Ordering::Acquire) {
            let passed = u64::try_from(passed.min(QUIET_BEAT).as_millis()).unwrap_or(0);
            self.out_ms.fetch_add(passed, Ordering::Relaxed);
            // It may have come back meanwhile.
            if !self.is_out.load(Ordering::Acquire) {
                self.out_ms.store(0, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests;
