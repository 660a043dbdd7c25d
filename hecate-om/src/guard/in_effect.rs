//! The limits of one capability that hold now: those that were declared, until somebody lowers them.
//!
//! Every call reads them, so each that a call on this box meets is a number of its own. The rates, which only
//! calls of the mesh meet, are where these are counted.

#[cfg(feature = "macula")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(feature = "macula")]
use std::time::Instant;

use serde_json::{Value, json};

use super::change::{self, Change, Wrong, check_together};
#[cfg(feature = "macula")]
use super::rate::Rates;
use super::{Limits, Rate};

/// The limits of one capability that hold now, and how often each refused a call.
pub(crate) struct InEffect {
    declared: &'static Limits,
    payload: AtomicUsize,
    reply: AtomicUsize,
    concurrency: AtomicUsize,
    /// Held while limits change, so that they change one after the other.
    rates: Mutex<(Rate, Rate)>,
    /// Made with the first call from the mesh: most capabilities see none.
    #[cfg(feature = "macula")]
    counted: OnceLock<Box<Rates>>,
    refused: [AtomicU64; change::NAMES.len()],
}

/// The limit that refused a call, in the order of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Payload,
    Reply,
    Concurrency,
    #[cfg(feature = "macula")]
    PerCaller,
    #[cfg(feature = "macula")]
    Total,
}

impl Cause {
    fn place(self) -> usize {
        match self {
            Self::Payload => 0,
            Self::Reply => 1,
            Self::Concurrency => 2,
            #[cfg(feature = "macula")]
            Self::PerCaller => 3,
            #[cfg(feature = "macula")]
            Self::Total => 4,
        }
    }
}

impl InEffect {
    pub(crate) fn new(declared: &'static Limits) -> Self {
        Self {
            declared,
            payload: AtomicUsize::new(declared.payload),
            reply: AtomicUsize::new(declared.reply),
            concurrency: AtomicUsize::new(declared.concurrency),
            rates: Mutex::new((declared.per_caller, declared.total)),
            #[cfg(feature = "macula")]
            counted: OnceLock::new(),
            refused: [const { AtomicU64::new(0) }; change::NAMES.len()],
        }
    }

    pub(crate) fn payload(&self) -> usize {
        self.payload.load(Ordering::Relaxed)
    }

    pub(crate) fn reply(&self) -> usize {
        self.reply.load(Ordering::Relaxed)
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency.load(Ordering::Relaxed)
    }

    /// All that hold now.
    pub(crate) fn now(&self) -> Limits {
        self.with(&self.rates())
    }

    pub(crate) fn declared(&self) -> &'static Limits {
        self.declared
    }

    /// Where calls of the mesh are counted.
    #[cfg(feature = "macula")]
    pub(crate) fn counted(&self, now: Instant) -> &Rates {
        self.counted.get_or_init(|| Box::new(Rates::new(self.now(), now)))
    }

    /// Other limits, all of them or none; what held before, and what holds from now on.
    ///
    /// # Errors
    /// What would not fit together.
    pub(crate) fn change(&self, change: Change) -> Result<(Limits, Limits), Wrong> {
        #[cfg(feature = "macula")]
        let now = tokio::time::Instant::now().into_std();
        // Before the rates are held: whoever makes it reads them.
        #[cfg(feature = "macula")]
        let counted = (change.per_caller.is_some() || change.total.is_some()).then(|| self.counted(now));
        let mut rates = self.rates();
        let before = self.with(&rates);
        let next = change.of(before);
        if let Some(wrong) = check_together(&next) {
            return Err(wrong);
        }
        *rates = (next.per_caller, next.total);
        self.payload.store(next.payload, Ordering::Relaxed);
        self.reply.store(next.reply, Ordering::Relaxed);
        self.concurrency.store(next.concurrency, Ordering::Relaxed);
        #[cfg(feature = "macula")]
        if let Some(counted) = counted {
            counted.change(next, now);
        }
        Ok((before, next))
    }

    /// Counts a call that a limit refused.
    #[cold]
    pub(crate) fn refused(&self, cause: Cause) {
        self.refused[cause.place()].fetch_add(1, Ordering::Relaxed);
    }

    /// How many calls each limit refused.
    pub(crate) fn refusals(&self) -> Value {
        let count = |place: usize| self.refused[place].load(Ordering::Relaxed);
        change::NAMES.iter().enumerate().map(|(place, name)| ((*name).to_owned(), json!(count(place)))).collect()
    }

    fn with(&self, (per_caller, total): &(Rate, Rate)) -> Limits {
        let (payload, reply, concurrency) = (self.payload(), self.reply(), self.concurrency());
        Limits { payload, reply, concurrency, per_caller: *per_caller, total: *total }
    }

    fn rates(&self) -> MutexGuard<'_, (Rate, Rate)> {
        // Nothing that can panic is done under the lock.
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
