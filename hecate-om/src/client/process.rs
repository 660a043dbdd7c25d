//! The services that run in this process, for each other's calls.
//!
//! Only what was registered is found: a service that is linked, or has not started, is not there.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::calls::{CallSettings, Place, refused, timed_out};
use super::open::{Open, Opened, Sending, in_json, received};
use super::trail::Trail;
use super::{Address, CallError, Calls};
use crate::capability::{Encoding, ErrorCode, Incoming, Input, Trace, Via};
use crate::dispatch::{Dispatch, Origin};
use crate::guard::warrant::{Token, Warrant};

static STARTED: RwLock<Vec<Arc<Entry>>> = RwLock::new(Vec::new());

/// A service that takes calls.
pub(crate) struct Entry {
    pub(crate) org: String,
    pub(crate) realm: Option<[u8; 32]>,
    pub(crate) runtime_dir: PathBuf,
    pub(crate) dispatch: Arc<Dispatch>,
}

/// A service is found as long as this is kept.
#[must_use = "a service is found as long as its registration is kept"]
pub(crate) struct Registration(Arc<Entry>);

impl Drop for Registration {
    fn drop(&mut self) {
        let mut started = STARTED.write().unwrap_or_else(PoisonError::into_inner);
        started.retain(|entry| !Arc::ptr_eq(entry, &self.0));
    }
}

pub(super) fn register(entry: Entry) -> Registration {
    let entry = Arc::new(entry);
    STARTED.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&entry));
    Registration(entry)
}

/// A place in a service's table.
pub(super) struct Found {
    dispatch: Arc<Dispatch>,
    slot: usize,
}

/// Who provides what is at `address`, another first each time.
pub(super) fn find(address: &Address, settings: &CallSettings) -> Vec<Found> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let started = STARTED.read().unwrap_or_else(PoisonError::into_inner);
    if started.is_empty() {
        return Vec::new();
    }
    let path = address.path();
    let fits = |entry: &&Arc<Entry>| {
        let same_realm = entry.realm.zip(settings.realm).is_none_or(|(theirs, ours)| theirs == ours);
        entry.org == address.org && same_realm && entry.runtime_dir == settings.runtime_dir
    };
    let here = |entry: &Arc<Entry>| {
        let slot = entry.dispatch.find(&path)?;
        Some(Found { dispatch: Arc::clone(&entry.dispatch), slot })
    };
    let mut found: Vec<Found> = started.iter().filter(fits).filter_map(here).collect();
    if found.len() > 1 {
        let first = NEXT.fetch_add(1, Ordering::Relaxed) % found.len();
        found.rotate_left(first);
    }
    found
}

/// Calls the first of them that takes the call.
pub(super) async fn call(
    found: Vec<Found>,
    caller: Warrant,
    hops: u8,
    trace: &Trace,
    request: Bytes,
    deadline: Instant,
    trail: &mut Trail,
) -> Place {
    for Found { dispatch, slot } in found {
        let begun = Instant::now();
        let origin =
            Origin { warrant: caller.clone(), hops, time_left: Some(deadline.saturating_duration_since(begun)) };
        let admitted = match dispatch.admit(slot, origin, Some(trace.to_callee())) {
            Ok(admitted) => admitted,
            // Nothing ran: another one may take it.
            Err(error) if matches!(error.kind(), ErrorCode::Draining | ErrorCode::Unavailable) => {
                trail.add(Via::Process, None, begun, error.to_string());
                continue;
            }
            Err(error) => return Place::Answered(Err(error)),
        };
        let answer = match admitted.answer(Input::Json(request)) {
            Ok(answer) => answer,
            Err(error) => return Place::Answered(Err(error)),
        };
        return timeout_at(deadline, answer).await.map_or(Place::TimedOut, Place::Answered);
    }
    Place::Absent
}

/// Opens a stream at the first of them that takes it.
pub(super) async fn open(calls: &Calls, open: &mut Open<'_>) -> Option<Result<Opened, CallError>> {
    for Found { dispatch, slot } in find(open.address, &calls.settings) {
        let attempt = Instant::now();
        let token = open.token.as_deref().map(|token| Token::new(token.to_vec()));
        let warrant = Warrant::Process { service: calls.service_name(), token };
        let origin = Origin { warrant, hops: open.hops, time_left: open.patience };
        let admitted = match dispatch.admit(slot, origin, Some(open.trace.to_callee())) {
            Ok(admitted) => admitted,
            // Nothing ran: another one may take it.
            Err(error) if matches!(error.kind(), ErrorCode::Draining | ErrorCode::Unavailable) => {
                open.trail.add(Via::Process, None, attempt, error.to_string());
                continue;
            }
            Err(error) => return Some(Err(refused(error, std::mem::take(&mut open.trail)))),
        };
        let input = match open.sending.take()? {
            Sending::One(request) => request.json().map(Input::Json),
            Sending::Many(items) => Ok(Input::Items(Incoming { encoding: Encoding::Json, items: in_json(items) })),
        };
        let input = match input {
            Ok(input) => input,
            Err(error) => return Some(Err(CallError::Request(error))),
        };
        let answer = match admitted.answer(input) {
            Ok(answer) => open.waiting.word(answer).await,
            Err(error) => Some(Err(error)),
        };
        let trail = std::mem::take(&mut open.trail);
        return Some(match answer {
            Some(Ok(output)) => Ok(Opened { received: received(output), via: Via::Process, provider: None, trail }),
            Some(Err(error)) => Err(refused(error, trail)),
            None => Err(timed_out(open.address, open.begun, trail)),
        });
    }
    None
}
