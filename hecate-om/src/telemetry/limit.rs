//! How often one place in the code may write a line: what goes wrong ten thousand times is told a
//! hundred times, and counted.
//!
//! Only for INFO and worse. DEBUG and TRACE are there because somebody asked for all of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Level, Metadata};

/// A place's lines are counted for so long.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);
/// How many lines a place may write meanwhile.
pub(crate) const LINES: u64 = 100;
/// As many places have a count of their own; all others share one.
pub(super) const PLACES: usize = 1024;

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Write,
    /// Written, after a line that tells how many were not.
    WriteAfter(Suppressed),
    /// Not written; `is_first` in its window.
    Suppress {
        is_first: bool,
    },
}

/// Lines that were not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suppressed {
    pub(super) lines: u64,
    /// The place that they have in common, or the first of many.
    pub(super) place: &'static Metadata<'static>,
    pub(super) is_shared: bool,
}

/// The places that wrote lines.
#[derive(Debug, Default)]
pub(super) struct Limit {
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    own: HashMap<Identifier, Window>,
    /// One for errors and one for the rest, so that they do not keep errors back.
    shared: [Option<Window>; 2],
}

#[derive(Debug)]
struct Window {
    place: &'static Metadata<'static>,
    begun: Instant,
    written: u64,
    suppressed: u64,
}

impl Limit {
    pub(super) fn judge(&self, place: &'static Metadata<'static>, now: Instant) -> Verdict {
        if *place.level() > Level::INFO {
            return Verdict::Write;
        }
        let Places { own, shared } = &mut *self.lock();
        let is_full = own.len() >= PLACES;
        let (window, is_shared) = match own.entry(place.callsite()) {
            Entry::Occupied(window) => (window.into_mut(), false),
            Entry::Vacant(free) if !is_full => (free.insert(Window::new(place, now)), false),
            Entry::Vacant(_) => {
                let shared = &mut shared[usize::from(*place.level() == Level::ERROR)];
                (shared.get_or_insert_with(|| Window::new(place, now)), true)
            }
        };
        let before = window.end(now, is_shared);
        if window.written < LINES {
            window.written += 1;
            return before.map_or(Verdict::Write, Verdict::WriteAfter);
        }
        window.suppressed += 1;
        Verdict::Suppress { is_first: window.suppressed == 1 }
    }

    /// What was suppressed in windows that have ended at `now`, and when the next ends.
    pub(super) fn due(&self, now: Instant) -> (Vec<Suppressed>, Option<Instant>) {
        let mut places = self.lock();
        let due = places.all().filter_map(|(window, is_shared)| window.end(now, is_shared)).collect();
        let open = places.all().filter(|(window, _)| window.suppressed > 0);
        (due, open.map(|(window, _)| window.begun + WINDOW).min())
    }

    /// What was suppressed and not yet told.
    pub(super) fn rest(&self) -> Vec<Suppressed> {
        self.lock().all().filter_map(|(window, is_shared)| window.tell(is_shared)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // Nothing in here is left half done by a panic.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn all(&mut self) -> impl Iterator<Item = (&mut Window, bool)> {
        let own = self.own.values_mut().map(|window| (window, false));
        own.chain(self.shared.iter_mut().flatten().map(|window| (window, true)))
    }
}

impl Window {
    fn new(place: &'static Metadata<'static>, begun: Instant) -> Self {
        Self { place, begun, written: 0, suppressed: 0 }
    }

    /// Begins anew when its time is over; returns what is to be told of it then.
    fn end(&mut self, now: Instant, is_shared: bool) -> Option<Suppressed> {
        if now.saturating_duration_since(self.begun) < WINDOW {
            return None;
        }
        (self.begun, self.written) = (now, 0);
        self.tell(is_shared)
    }

    fn tell(&mut self, is_shared: bool) -> Option<Suppressed> {
        let lines = std::mem::take(&mut self.suppressed);
        (lines > 0).then_some(Suppressed { lines, place: self.place, is_shared })
    }
}

#[cfg(test)]
mod tests;
