//! The calls that were handed to their provider and wait for its reply.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Limits;
use crate::connection::Connection;
use crate::counts::Refusal;
use crate::wire::Id;

/// How long after its deadline a reply is still handed over, and no longer than this after the call in all:
/// what providers take as a deadline, and their tolerance.
const GRACE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The calls that wait for a reply, by provider and request.
pub(crate) struct Pending {
    limits: Limits,
    calls: Mutex<HashMap<Key, Waiting>>,
}

type Key = (Id, [u8; 16]);

struct Waiting {
    caller: Arc<Connection>,
    request_hash: [u8; 48],
    until: Instant,
}

impl Pending {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, calls: Mutex::default() }
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<Key, Waiting>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the provider's reply to a request, for `left` and a little.
    pub(crate) fn add(
        &self,
        provider: Id,
        request: ([u8; 16], [u8; 48]),
        caller: &Arc<Connection>,
        left: Duration,
    ) -> Result<(), Refusal> {
        let mut calls = self.calls();
        if calls.len() >= self.limits.pending_calls {
            let now = Instant::now();
            calls.retain(|_, waiting| waiting.until > now);
        }
        let (request_id, request_hash) = request;
        let of_caller = || calls.values().filter(|waiting| Arc::ptr_eq(&waiting.caller, caller)).count();
        // Counting is needed only where there may be so many.
        let too_many = calls.len() >= self.limits.pending_calls
            || (calls.len() >= self.limits.pending_calls_of_one && of_caller() >= self.limits.pending_calls_of_one);
        if too_many || calls.contains_key(&(provider, request_id)) {
            return Err(Refusal::TooManyPendingCalls);
        }
        let until = Instant::now() + left.saturating_add(GRACE).min(LONGEST);
        calls.insert((provider, request_id), Waiting { caller: caller.clone(), request_hash, until });
        Ok(())
    }

    /// Whose reply it is that names this request; a second reply is nobody's.
    pub(crate) fn take(
        &self,
        provider: Id,
        (request_id, request_hash): ([u8; 16], [u8; 48]),
    ) -> Option<Arc<Connection>> {
        let mut calls = self.calls();
        let waiting = calls.get(&(provider, request_id))?;
        if waiting.request_hash != request_hash {
            return None;
        }
        calls.remove(&(provider, request_id)).map(|waiting| waiting.caller)
    }

    pub(crate) fn remove(&self, provider: Id, request_id: [u8; 16]) {
        self.calls().remove(&(provider, request_id));
    }

    /// Forgets what a connection waits for. Who waits for the connection goes on waiting: whether its call ran is
    /// not known, and the wire has no word for that.
    pub(crate) fn forget(&self, connection: &Arc<Connection>) {
        self.calls().retain(|_, waiting| !Arc::ptr_eq(&waiting.caller, connection));
    }

    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        self.calls().retain(|_, waiting| waiting.until > now);
    }

    /// How many wait. What was given up is kept a while, and nobody waits for it.
    pub(crate) fn waiting(&self) -> usize {
        let now = Instant::now();
        self.calls().values().filter(|waiting| waiting.until > now).count()
    }
}
