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
use std::sync::{Mutex, PoisonError};
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

/// A call that comes too soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limited {
    pub(crate) by: By,
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

/// How often a capability was called, and by whom.
pub(crate) struct Rates {
    own: Pace,
    total: Pace,
    /// The total with what is kept.
    whole: Pace,
    /// What is kept for one place.
    share: Pace,
    /// A power of two.
    cells_per_row: usize,
    /// By this callers are told apart, and nobody outside knows it.
    key: RandomState,
    epoch: Instant,
    /// It is held for some hundred nanoseconds.
    counts: Mutex<Counts>,
}

struct Counts {
    total: u64,
    /// Whose place each is; 0 for nobody's.
    holders: Box<[u64]>,
    places: Box<[Place]>,
    /// Row by row.
    cells: Box<[u64]>,
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
        let (own, total) = (Pace::of(limits.per_caller), Pace::of(limits.total));
        let kept = limits.total.calls / KEPT_PART;
        let places = PLACES.min(kept as usize);
        let share = Rate { calls: kept / u32::try_from(places.max(1)).unwrap_or(1), period: limits.total.period };
        let cells_per_row = cells_per_row(limits);
        Self {
            own,
            total,
            whole: Pace { depth: total.depth + total.gap * u64::from(kept), ..total },
            share: Pace::of(share),
            cells_per_row,
            key: RandomState::new(),
            epoch: now,
            counts: Mutex::new(Counts {
                total: 0,
                holders: vec![0; places].into(),
                places: vec![Place::default(); places].into(),
                cells: vec![0; ROWS * cells_per_row].into(),
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
        let now = nanoseconds(now.saturating_duration_since(self.epoch));
        // No panic leaves it half changed.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let at = counts.holders.iter().position(|holder| *holder == who);
        let own = match at {
            Some(at) => counts.places[at].own,
            None => self.cells(who).map(|cell| counts.cells[cell]).min().unwrap_or(0),
        };
        let own = self.own.one_more(own, now).map_err(|after| self.refuse(&mut counts, By::Caller, after, now))?;
        let (total, share) =
            self.room(&counts, at, now).map_err(|after| self.refuse(&mut counts, By::Total, after, now))?;
        counts.total = total;
        let at = at.or_else(|| counts.free(now));
        if let Some(at) = at {
            counts.holders[at] = who;
            counts.places[at] = Place { own, share, last: now };
        } else {
            for cell in self.cells(who) {
                counts.cells[cell] = counts.cells[cell].max(own);
            }
        }
        Ok(())
    }

    /// The total with one call more, and the share of the caller with the place `at`.
    fn room(&self, counts: &Counts, at: Option<usize>, now: u64) -> Result<(u64, u64), u64> {
        let share = at.map(|at| counts.places[at].share);
        let full = match self.total.one_more(counts.total, now) {
            Ok(total) => return Ok((total, share.unwrap_or(0))),
            Err(after) => after,
        };
        let Some(share) = share else { return Err(full) };
        // All shares together are what is kept, and it comes back faster than they do: `whole` has room.
        match (self.share.one_more(share, now), self.whole.one_more(counts.total, now)) {
            (Ok(share), Ok(total)) => Ok((total, share)),
            (Err(after), _) | (_, Err(after)) => Err(after.min(full)),
        }
    }

    /// Where in each row a caller without a place is counted.
    fn cells(&self, who: u64) -> impl Iterator<Item = usize> + use<> {
        let (width, bits) = (self.cells_per_row, self.cells_per_row.trailing_zeros());
        (0..ROWS).map(move |row| row * width + ((who >> (row as u32 * bits)) as usize & (width - 1)))
    }

    #[cold]
    fn refuse(&self, counts: &mut Counts, by: By, after: u64, now: u64) -> Limited {
        counts.refused += 1;
        let to_tell = (counts.silent_until <= now).then_some(counts.refused);
        if to_tell.is_some() {
            counts.refused = 0;
            counts.silent_until = now + self.total.depth;
        }
        // A caller that comes at that time, to the millisecond, must not be early.
        let retry_after = Duration::from_millis(after.div_ceil(1_000_000));
        Limited { by, retry_after, to_tell }
    }
}

impl Counts {
    /// A place that nobody has, or whose holder has long been silent.
    fn free(&self, now: u64) -> Option<usize> {
        let kept = nanoseconds(KEPT);
        let free = |(holder, place): (&u64, &Place)| *holder == 0 || place.last + kept <= now;
        self.holders.iter().zip(&self.places).position(free)
    }
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

/// What is kept of the callers of one capability, in bytes.
#[cfg(test)]
pub(crate) fn memory(limits: Limits) -> usize {
    size_of::<Rates>()
        + PLACES * (size_of::<u64>() + size_of::<Place>())
        + ROWS * cells_per_row(limits) * size_of::<u64>()
}

#[cfg(test)]
mod tests;
