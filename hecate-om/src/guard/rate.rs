//! Rates of callers from the mesh, where identities cost nothing: whoever likes makes 100,000 of them.
//!
//! What is kept of a capability's callers has one size, however many there are:
//! - *Places*, [`PLACES`] of them. A caller takes a free one with the first call that is let in, keeps it
//!   while it calls, and has a count of its own there.
//! - *Cells* for everybody else. A caller's calls are counted in one cell of each row, which a key of this
//!   process chooses, and it is over its rate when all of its cells are. It never gets more than its rate
//!   so, and less only where others fill a cell in every row. They cannot choose to: they do not know the
//!   key, and all that is let in fills a small part of a row.
//! - *The total*. A quarter of it is kept for callers with a place, an equal share each.
//!
//! So this holds: a caller that had a place before a flood of strangers gets its share through it, whatever
//! the strangers do, and more where there is room; and nobody is refused for what others did while the total
//! is not used up, but for chance: those whose calls use it up fill at most 20 of 256 cells of each of four
//! rows. This does not: a caller that comes new into a flood has a stranger's chance, because nothing tells
//! it from one. Strangers have no token, so all this matters where access is `open`.
//!
//! A count is one number, the time at which it will be back at nothing (GCRA). Times are those of a clock
//! that only goes forward.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Limits, Rate};
use crate::node_id::NodeId;

/// How many callers of a capability have a place, at most.
pub(crate) const PLACES: usize = 128;
/// How long a place is kept for a caller that does not call.
const KEPT: Duration = Duration::from_secs(600);
/// The part of the total that is kept for callers with a place.
const KEPT_PART: u32 = 4;

const ROWS: usize = 4;
const FEWEST_CELLS: usize = 256;
const MOST_CELLS: usize = 1 << 14;
/// How many bits of a caller's key choose its cell in a row, at most.
const ROW_BITS: u32 = 16;

/// A call that comes too soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limited {
    pub(crate) by: By,
    /// The rate that it is over.
    pub(crate) rate: Rate,
    /// When there is room again, for this caller or for one of all.
    pub(crate) retry_after: Duration,
    /// How many were refused since that was last told: there once in a period.
    pub(crate) to_tell: Option<u64>,
}

/// Which rate a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// That of its caller.
    Caller,
    /// That of all callers.
    Total,
}

/// How often a count may go up.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// What one call adds, in nanoseconds.
    gap: u64,
    /// How full it may be.
    depth: u64,
}

impl Pace {
    fn of(rate: Rate) -> Self {
        let calls = u64::from(rate.calls.max(1));
        let gap = (nanoseconds(rate.period) / calls).max(1);
        Self { gap, depth: gap * calls }
    }

    /// The count with one call more; else how long until there is room for it.
    fn one_more(self, count: u64, now: u64) -> Result<u64, u64> {
        let more = count.max(now) + self.gap;
        match more.saturating_sub(now + self.depth) {
            0 => Ok(more),
            over => Err(over),
        }
    }
}

/// What the rates of a capability come to.
#[derive(Debug, Clone, Copy)]
struct Paces {
    limits: Limits,
    own: Pace,
    total: Pace,
    /// The total with what is kept.
    whole: Pace,
    /// What is kept for one place.
    share: Pace,
    places: usize,
    /// A power of two.
    cells_per_row: usize,
}

impl Paces {
    fn of(limits: Limits) -> Self {
        let total = Pace::of(limits.total);
        let kept = limits.total.calls / KEPT_PART;
        let places = PLACES.min(kept as usize);
        let share = Rate { calls: kept / u32::try_from(places.max(1)).unwrap_or(1), period: limits.total.period };
        Self {
            limits,
            own: Pace::of(limits.per_caller),
            total,
            whole: Pace { depth: total.depth + total.gap * u64::from(kept), ..total },
            share: Pace::of(share),
            places,
            cells_per_row: cells_per_row(limits),
        }
    }
}

/// How often a capability was called, and by whom.
pub(crate) struct Rates {
    /// By this callers are told apart, and nobody outside knows it.
    key: RandomState,
    epoch: Instant,
    /// It is held for some hundred nanoseconds, and for some ten microseconds where the rates change.
    counts: Mutex<Counts>,
}

struct Counts {
    paces: Paces,
    total: u64,
    /// Whose place each is; 0 for nobody's.
    holders: Vec<u64>,
    places: Vec<Place>,
    /// Row by row.
    cells: Vec<u64>,
    /// As many as there were ever to be: to have fewer, callers would have to share more than they do.
    cells_per_row: usize,
    refused: u64,
    silent_until: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    own: u64,
    /// What its holder took of its share.
    share: u64,
    last: u64,
}

impl Rates {
    pub(crate) fn new(limits: Limits, now: Instant) -> Self {
        let paces = Paces::of(limits);
        Self {
            key: RandomState::new(),
            epoch: now,
            counts: Mutex::new(Counts {
                paces,
                total: 0,
                holders: vec![0; paces.places],
                places: vec![Place::default(); paces.places],
                cells: vec![0; ROWS * paces.cells_per_row],
                cells_per_row: paces.cells_per_row,
                refused: 0,
                silent_until: 0,
            }),
        }
    }

    /// Counts a call, if there is room for it.
    ///
    /// # Errors
    /// When there is none; the call is not counted then.
    pub(crate) fn take(&self, caller: &NodeId, now: Instant) -> Result<(), Limited> {
        let who = self.key.hash_one(caller).max(1);
        let now = self.since_epoch(now);
        self.counts().take(who, now)
    }

    /// Goes on at other rates. Who has used up a part of its rate has used up the same part of the new one, so
    /// a change forgives nothing, and nobody waits longer for it than the new period.
    pub(crate) fn change(&self, limits: Limits, now: Instant) {
        let now = self.since_epoch(now);
        self.counts().change(Paces::of(limits), now);
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        nanoseconds(now.saturating_duration_since(self.epoch))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // No panic leaves it half changed.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn take(&mut self, who: u64, now: u64) -> Result<(), Limited> {
        let at = self.holders.iter().position(|holder| *holder == who);
        let own = match at {
            Some(at) => self.places[at].own,
            None => self.cells(who).map(|cell| self.cells[cell]).min().unwrap_or(0),
        };
        let own = self.paces.own.one_more(own, now).map_err(|after| self.refuse(By::Caller, after, now))?;
        let (total, share) = self.room(at, now).map_err(|after| self.refuse(By::Total, after, now))?;
        self.total = total;
        let at = at.or_else(|| self.free(now));
        if let Some(at) = at {
            let before = std::mem::replace(&mut self.holders[at], who);
            let place = std::mem::replace(&mut self.places[at], Place { own, share, last: now });
            if before != who && before != 0 {
                // Its period may be longer than its place was kept.
                self.count_in_cells(before, place.own);
            }
        } else {
            self.count_in_cells(who, own);
        }
        Ok(())
    }

    /// The total with one call more, and the share of the caller with the place `at`.
    fn room(&self, at: Option<usize>, now: u64) -> Result<(u64, u64), u64> {
        let share = at.map(|at| self.places[at].share);
        let full = match self.paces.total.one_more(self.total, now) {
            Ok(total) => return Ok((total, share.unwrap_or(0))),
            Err(after) => after,
        };
        let Some(share) = share else { return Err(full) };
        // All shares together are what is kept, and it comes back faster than they do: `whole` has room.
        match (self.paces.share.one_more(share, now), self.paces.whole.one_more(self.total, now)) {
            (Ok(share), Ok(total)) => Ok((total, share)),
            (Err(after), _) | (_, Err(after)) => Err(after.min(full)),
        }
    }

    /// Where in each row a caller without a place is counted.
    fn cells(&self, who: u64) -> impl Iterator<Item = usize> + use<> {
        let width = self.cells_per_row;
        (0..ROWS).map(move |row| row * width + ((who >> (row as u32 * ROW_BITS)) as usize & (width - 1)))
    }

    fn count_in_cells(&mut self, who: u64, own: u64) {
        for cell in self.cells(who) {
            self.cells[cell] = self.cells[cell].max(own);
        }
    }

    /// A place that nobody has, or whose holder has long been silent.
    fn free(&self, now: u64) -> Option<usize> {
        let free = |(holder, place): (&u64, &Place)| *holder == 0 || place.is_left(now);
        self.holders.iter().zip(&self.places).position(free)
    }

    #[cold]
    fn refuse(&mut self, by: By, after: u64, now: u64) -> Limited {
        self.refused += 1;
        let to_tell = (self.silent_until <= now).then_some(self.refused);
        if to_tell.is_some() {
            self.refused = 0;
            self.silent_until = now + self.paces.total.depth;
        }
        let rate = match by {
            By::Caller => self.paces.limits.per_caller,
            By::Total => self.paces.limits.total,
        };
        // A caller that comes at that time, to the millisecond, must not be early.
        let retry_after = Duration::from_millis(after.div_ceil(1_000_000));
        Limited { by, rate, retry_after, to_tell }
    }

    #[cold]
    fn change(&mut self, paces: Paces, now: u64) {
        let before = std::mem::replace(&mut self.paces, paces);
        self.total = moved(self.total, now, before.total, paces.total);
        for place in &mut self.places {
            place.own = moved(place.own, now, before.own, paces.own);
            place.share = moved(place.share, now, before.share, paces.share);
        }
        for cell in &mut self.cells {
            *cell = moved(*cell, now, before.own, paces.own);
        }
        if paces.cells_per_row > self.cells_per_row {
            self.widen(paces.cells_per_row);
        }
        if paces.places != self.places.len() {
            self.make_places(paces.places, now);
        }
    }

    /// More cells in each row: each caller finds what was counted in those that it had.
    fn widen(&mut self, width: usize) {
        let was = self.cells_per_row;
        let cells = (0..ROWS * width).map(|cell| self.cells[cell / width * was + ((cell % width) & (was - 1))]);
        self.cells = cells.collect();
        self.cells_per_row = width;
    }

    /// Another number of places, of which those who have one keep as many as there are.
    fn make_places(&mut self, count: usize, now: u64) {
        let holders = std::mem::replace(&mut self.holders, vec![0; count]);
        let places = std::mem::replace(&mut self.places, vec![Place::default(); count]);
        let mut at = 0;
        for (holder, place) in holders.into_iter().zip(places) {
            if holder != 0 && at < count && !place.is_left(now) {
                (self.holders[at], self.places[at]) = (holder, place);
                at += 1;
            } else if holder != 0 {
                self.count_in_cells(holder, place.own);
            }
        }
    }
}

impl Place {
    fn is_left(&self, now: u64) -> bool {
        self.last + nanoseconds(KEPT) <= now
    }
}

/// A count at another pace: as full as it was.
fn moved(count: u64, now: u64, before: Pace, after: Pace) -> u64 {
    let Some(full) = count.checked_sub(now).filter(|full| *full > 0 && before.depth != after.depth) else {
        return count;
    };
    let moved = (u128::from(full) * u128::from(after.depth)).div_ceil(u128::from(before.depth));
    now + u64::try_from(moved).unwrap_or(u64::MAX - now)
}

/// So many that those callers whose calls use up the total fill a small part of a row.
fn cells_per_row(limits: Limits) -> usize {
    let callers = Pace::of(limits.per_caller).gap / Pace::of(limits.total).gap.max(1);
    let cells = usize::try_from(callers).unwrap_or(MOST_CELLS).min(MOST_CELLS) * 16;
    cells.next_power_of_two().clamp(FEWEST_CELLS, MOST_CELLS)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What is kept of the callers of one capability, in bytes, at most.
#[cfg(test)]
pub(crate) const MOST_MEMORY: usize = 1 << 20;

/// What is kept of them with such limits.
#[cfg(test)]
pub(crate) fn memory(limits: Limits) -> usize {
    size_of::<Rates>()
        + PLACES * (size_of::<u64>() + size_of::<Place>())
        + ROWS * cells_per_row(limits) * size_of::<u64>()
}

#[cfg(test)]
mod tests;
