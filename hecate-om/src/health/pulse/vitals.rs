//! What the pulse means: the checks that the runtime makes of itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::health::board::{Board, CheckId, Finding};
use crate::health::{Health, Impact};

/// Workers that take longer to run what they are given have too much to do.
const SLOW: Duration = Duration::from_secs(1);
/// So many panics of handlers, within so long, are too many.
const PANICS: u64 = 5;
const WITHIN: Duration = Duration::from_secs(60);
/// How often the board is told what is as it was.
const EVERY: Duration = Duration::from_secs(1);

pub(super) struct Vitals {
    board: Arc<Board>,
    lag: CheckId,
    panics: CheckId,
    count: Box<dyn Fn() -> u64 + Send + Sync>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    looked: Option<Instant>,
    was_slow: bool,
    panics: Panics,
}

impl Vitals {
    pub(super) fn new(board: Arc<Board>, count: Box<dyn Fn() -> u64 + Send + Sync>) -> Self {
        let lag = board.add("runtime.lag", Impact::Degrading);
        let panics = board.add("runtime.panics", Impact::Degrading);
        // Workers that were made a moment ago lag behind nothing.
        let well = Finding { health: Health::Ok, code: None, at: Instant::now(), took: Duration::ZERO };
        board.observe(lag, 0.0, "seconds");
        board.note(lag, well.clone());
        board.note(panics, well);
        Self { board, lag, panics, count, memory: Mutex::new(Memory::default()) }
    }

    /// Tells the board how the runtime is: `last` is how long the last beat took, `overdue` how long
    /// the one that is out does.
    pub(super) fn look(&self, now: Instant, last: Duration, overdue: Duration) {
        let lag = last.max(overdue);
        let is_slow = lag > SLOW;
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.was_slow == is_slow && memory.looked.is_some_and(|looked| now - looked < EVERY) {
            return;
        }
        (memory.looked, memory.was_slow) = (Some(now), is_slow);
        let panics = memory.panics.within(now, (self.count)());
        drop(memory);

        self.board.observe(self.lag, lag.as_secs_f64(), "seconds");
        self.note(self.lag, is_slow, || {
            let seconds = lag.as_secs_f64();
            if overdue > SLOW {
                format!("the workers have run nothing for {seconds:.1}s; does a handler block its thread?")
            } else {
                format!("the workers took {seconds:.1}s to run what they were given; does a handler block its thread?")
            }
        });
        self.board.observe(self.panics, panics as f64, "panics");
        self.note(self.panics, panics >= PANICS, || {
            format!("{panics} handler panics within {}s; the log tells where", WITHIN.as_secs())
        });
        self.board.look();
    }

    fn note(&self, id: CheckId, fails: bool, reason: impl FnOnce() -> String) {
        let health = if fails { Health::degraded(reason()) } else { Health::Ok };
        self.board.note(id, Finding { health, code: None, at: Instant::now(), took: Duration::ZERO });
    }
}

/// The panics of the last minute.
#[derive(Default)]
struct Panics {
    /// How many there were before that.
    before: u64,
    /// How many there were since the beginning, whenever that changed.
    changes: VecDeque<(Instant, u64)>,
}

impl Panics {
    /// How many there were within [`WITHIN`], when there are `count` since the beginning.
    fn within(&mut self, now: Instant, count: u64) -> u64 {
        if self.changes.back().map_or(self.before, |(_, last)| *last) != count {
            self.changes.push_back((now, count));
        }
        while let Some((at, count)) = self.changes.front().copied()
            && now.saturating_duration_since(at) >= WITHIN
        {
            self.before = count;
            self.changes.pop_front();
        }
        count.saturating_sub(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_are_forgotten_after_a_minute() {
        let (begun, mut panics) = (Instant::now(), Panics::default());
        let at = |seconds| begun + Duration::from_secs(seconds);
        for (second, count, within) in [(0, 0, 0), (1, 3, 3), (2, 3, 3), (30, 5, 5), (60, 5, 5), (61, 5, 2), (90, 5, 0)]
        {
            assert_eq!(panics.within(at(second), count), within, "{second}");
        }
        assert!(panics.changes.is_empty());
        assert_eq!(panics.within(at(91), 11), 6);
    }
}
