//! The one path of every call: size -> access -> rate -> concurrency -> decode -> run -> encode.
//!
//! `table` holds the capabilities with what is counted of each, `call` takes one call through the stages,
//! `answer` runs its handler; here is whether calls are taken at all, and how many are in flight.

mod addresses;
mod answer;
mod call;
mod flow;
pub(crate) mod limits;
mod table;
pub(crate) mod tally;

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use self::answer::Answer;
pub(crate) use self::call::{Admitted, too_large};
use self::table::Table;
use self::tally::{Outcome, Tally};
use crate::capability::trace::CallerTrace;
use crate::capability::{Bound, CapabilityError, CapabilityInfo, ErrorCode, MAX_HOPS, RETRY_AFTER};
use crate::guard::Limits;
use crate::guard::access::Standing;
use crate::guard::limits::MOST_BYTES;
use crate::guard::warrant::Warrant;
use crate::service::ServiceInfo;

/// The largest request that a capability takes which declares no other limit, in bytes.
pub(crate) const MAX_REQUEST: usize = Limits::DEFAULT.payload;
/// The largest reply that any capability may give, in bytes.
pub(crate) const MAX_REPLY: usize = MOST_BYTES;

/// Where a call comes from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) warrant: Warrant,
    /// How many calls led to this one.
    pub(crate) hops: u8,
    /// How long the caller waits, if it said so.
    pub(crate) time_left: Option<Duration>,
}

/// Whether calls are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Gate {
    Starting = 0,
    Open = 1,
    Draining = 2,
}

/// The capabilities of the running service.
pub(crate) struct Dispatch {
    table: Table,
    handlers: OnceLock<Vec<Bound>>,
    standing: RwLock<Option<Arc<Standing>>>,
    gate: AtomicU8,
    /// The calls that were let in and have not ended.
    in_flight: AtomicUsize,
    /// Told when the last of them ends in a drain.
    idle: Notify,
    /// Told when those that stream are to end.
    ending: CancellationToken,
}

impl Dispatch {
    /// Takes no calls until [`open`](Self::open).
    pub(crate) fn new(service: &'static ServiceInfo) -> Arc<Self> {
        Arc::new(Self {
            table: Table::of(service.capabilities),
            handlers: OnceLock::new(),
            standing: RwLock::new(None),
            gate: AtomicU8::new(Gate::Starting as u8),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
            ending: CancellationToken::new(),
        })
    }

    /// Takes calls from now on.
    pub(crate) fn open(&self, handlers: Vec<Bound>) {
        debug_assert_eq!(handlers.len(), self.table.slots.len());
        if self.handlers.set(handlers).is_ok() {
            self.gate.store(Gate::Open as u8, Ordering::SeqCst);
        }
    }

    /// Tells where the service stands on the mesh, as often as that changes.
    pub(crate) fn stand(&self, standing: Standing) {
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(standing));
    }

    /// Where the service stands on the mesh, once that is known.
    pub(crate) fn standing(&self) -> Option<Arc<Standing>> {
        self.standing.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Refuses calls from now on; those that were let in go on.
    pub(crate) fn drain(&self) {
        self.gate.store(Gate::Draining as u8, Ordering::SeqCst);
    }

    /// Ends the streams that are left, each with `draining` as its last item.
    pub(crate) fn end_streams(&self) {
        self.ending.cancel();
    }

    /// Waits until no call is left; only after [`drain`](Self::drain).
    pub(crate) async fn drained(&self) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            // Before the count is read, so that a call that ends now is not missed.
            idle.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// How many calls were let in and have not been answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// The capabilities with calls that still run, and how many.
    pub(crate) fn running(&self) -> Vec<(&'static CapabilityInfo, usize)> {
        let counted = self.tallies().map(|(info, tally)| (info, tally.running()));
        counted.filter(|(_, running)| *running > 0).collect()
    }

    /// What was counted of each capability's calls.
    pub(crate) fn tallies(&self) -> impl Iterator<Item = (&'static CapabilityInfo, &Tally)> {
        self.table.slots.iter().map(|slot| (slot.info, &slot.tally))
    }

    /// How many calls asked for what is not here.
    pub(crate) fn unknown(&self) -> u64 {
        self.table.unknown.load(Ordering::Relaxed)
    }

    /// How many calls ended with a panic of their handler.
    pub(crate) fn panics(&self) -> u64 {
        self.table.panics.load(Ordering::Relaxed)
    }

    /// The place of `<name>/v<version>` in the table, if that is here.
    pub(crate) fn find(&self, path: &str) -> Option<usize> {
        self.table.addresses.find(path)
    }

    /// What the service declares of the capability at a place.
    pub(crate) fn info(&self, slot: usize) -> &'static CapabilityInfo {
        self.table.slots[slot].info
    }

    /// Counts a call that is refused by its head alone.
    pub(crate) fn turned_away(&self, slot: usize, error: CapabilityError) -> CapabilityError {
        self.table.slots[slot].tally.count(Outcome::of(&error));
        error
    }

    /// What a caller gets that asks for what is not here: `unknown_capability` with near names, or
    /// `unsupported_version` with those that are here.
    pub(crate) fn stranger(&self, name: &str, version: &str) -> CapabilityError {
        self.table.stranger(name, version)
    }

    /// What a caller gets that means the same capability of another org or realm.
    pub(crate) fn meant_for_another(&self, slot: usize) -> CapabilityError {
        self.table.meant_for_another(slot)
    }

    /// Lets a call in, before anything of it but its head was read.
    ///
    /// # Errors
    /// `unavailable` before the service is ready, `draining` when it is on its way out, `too_many_hops`
    /// where calls go round in a circle.
    #[inline(always)]
    pub(crate) fn admit(
        self: &Arc<Self>,
        slot: usize,
        origin: Origin,
        trace: Option<Arc<CallerTrace>>,
    ) -> Result<Admitted, CapabilityError> {
        if origin.hops > MAX_HOPS {
            return Err(self.turned_away(slot, CapabilityError::too_many_hops(self.info(slot).name)));
        }
        // It counts before the gate is looked at: a drain that begins now either waits for it or is
        // seen here.
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let gate = self.gate.load(Ordering::SeqCst);
        if gate == Gate::Open as u8 {
            return Ok(Admitted::new(Arc::clone(self), slot, origin, trace));
        }
        self.leave();
        let error = if gate == Gate::Starting as u8 {
            CapabilityError::unavailable("the service is starting")
        } else {
            CapabilityError::new(ErrorCode::Draining, "the service is on its way out; another instance may answer")
                .retryable(Some(RETRY_AFTER))
        };
        Err(self.turned_away(slot, error))
    }

    /// One call less is in flight.
    fn leave(&self) {
        let was = self.in_flight.fetch_sub(1, Ordering::SeqCst);
        if was == 1 && self.gate.load(Ordering::SeqCst) == Gate::Draining as u8 {
            self.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests;
