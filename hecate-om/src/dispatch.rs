//! The one path of every call: size -> concurrency -> decode -> run -> encode.
//!
//! A handler is polled once where the call came in. If it is ready, nothing was spawned; if not, it
//! moves to a task of its own, which ends it at its deadline and keeps it alive though its caller has
//! gone. Either way a panic is caught, and drain can wait for it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;

use serde_json::json;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::capability::{
    Answering, Bound, CallId, CallParts, Caller, CapabilityError, CapabilityInfo, ErrorCode, Input, Output,
    RETRY_AFTER, Via,
};
use crate::nearest::nearest;
use crate::service::ServiceInfo;
use crate::telemetry::{chain, panics};

/// The largest request, in bytes.
pub(crate) const MAX_REQUEST: usize = 1024 * 1024;
/// The largest reply, in bytes.
pub(crate) const MAX_REPLY: usize = 16 * 1024 * 1024;
/// How many calls of one capability run at once.
pub(crate) const MAX_CONCURRENCY: usize = 1024;

/// Who brings a call, and by which way.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) caller: Caller,
    pub(crate) via: Via,
}

/// Whether calls are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Gate {
    Starting = 0,
    Open = 1,
    Draining = 2,
}

/// A capability that can be called.
struct Slot {
    info: &'static CapabilityInfo,
    running: AtomicUsize,
}

/// The capabilities of the running service.
pub(crate) struct Dispatch {
    slots: Vec<Slot>,
    by_address: HashMap<(&'static str, u16), usize>,
    handlers: std::sync::OnceLock<Vec<Bound>>,
    gate: AtomicU8,
    calls: TaskTracker,
    panics: AtomicU64,
}

/// A call that was let in: drain waits for it.
pub(crate) struct Admitted {
    pub(crate) id: CallId,
    slot: usize,
    token: TaskTrackerToken,
    deadline: Instant,
}

impl Admitted {
    /// Until when the call may take, its body included.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// One of the places that a capability has for calls that run at once.
struct Permit {
    dispatch: Arc<Dispatch>,
    slot: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.dispatch.slots[self.slot].running.fetch_sub(1, Ordering::Release);
    }
}

impl Dispatch {
    /// Takes no calls until [`open`](Self::open).
    pub(crate) fn new(service: &'static ServiceInfo) -> Arc<Self> {
        let slots = service.capabilities.iter().map(|info| Slot { info, running: AtomicUsize::new(0) });
        let address = |(index, info): (usize, &'static CapabilityInfo)| ((info.name, info.version), index);
        Arc::new(Self {
            slots: slots.collect(),
            by_address: service.capabilities.iter().enumerate().map(address).collect(),
            handlers: std::sync::OnceLock::new(),
            gate: AtomicU8::new(Gate::Starting as u8),
            calls: TaskTracker::new(),
            panics: AtomicU64::new(0),
        })
    }

    /// Takes calls from now on.
    pub(crate) fn open(&self, handlers: Vec<Bound>) {
        debug_assert_eq!(handlers.len(), self.slots.len());
        if self.handlers.set(handlers).is_ok() {
            self.gate.store(Gate::Open as u8, Ordering::SeqCst);
        }
    }

    /// Refuses calls from now on; those that were let in go on.
    pub(crate) fn drain(&self) {
        self.gate.store(Gate::Draining as u8, Ordering::SeqCst);
        self.calls.close();
    }

    /// Waits until no call is left; only after [`drain`](Self::drain).
    pub(crate) async fn drained(&self) {
        self.calls.wait().await;
    }

    /// How many calls were let in and have not been answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.calls.len()
    }

    /// How many handlers panicked, ever.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// The capabilities with calls that still run, and how many.
    pub(crate) fn running(&self) -> Vec<(&'static CapabilityInfo, usize)> {
        let counted = self.slots.iter().map(|slot| (slot.info, slot.running.load(Ordering::Acquire)));
        counted.filter(|(_, running)| *running > 0).collect()
    }

    /// The place of a capability in the table.
    ///
    /// # Errors
    /// `unknown_capability` with near names, or `unsupported_version` with those that are here.
    pub(crate) fn find(&self, name: &str, version: u16) -> Result<usize, CapabilityError> {
        // The key borrows for 'static; the lookup need not.
        let by_address: &HashMap<(&str, u16), usize> = &self.by_address;
        by_address.get(&(name, version)).copied().ok_or_else(|| self.unknown(name, &version.to_string()))
    }

    /// What a caller gets that asks for what is not here.
    pub(crate) fn unknown(&self, name: &str, version: &str) -> CapabilityError {
        let versions: Vec<u16> =
            self.slots.iter().filter(|slot| slot.info.name == name).map(|slot| slot.info.version).collect();
        if !versions.is_empty() {
            let listed = versions.iter().map(|version| format!("`{version}`")).collect::<Vec<_>>().join(", ");
            let message = format!("capability `{name}` has no version `{}`; it has {listed}", shown(version));
            return CapabilityError::new(ErrorCode::UnsupportedVersion, message)
                .with_details(json!({"name": name, "versions": versions}));
        }
        let near = nearest(name, self.slots.iter().map(|slot| slot.info.name));
        let hint = match near.as_slice() {
            [] => "GET /capabilities lists what is here".to_owned(),
            near => format!("did you mean `{}`?", near.join("` or `")),
        };
        let message = format!("no capability `{}` is here; {hint}", shown(name));
        CapabilityError::new(ErrorCode::UnknownCapability, message).with_details(json!({"nearest": near}))
    }

    /// Lets a call in, before anything of it but its address was read.
    ///
    /// # Errors
    /// `unavailable` before the service is ready, `draining` when it is on its way out.
    pub(crate) fn admit(&self, slot: usize) -> Result<Admitted, CapabilityError> {
        // The token comes first: a drain that begins now either waits for it or is seen here.
        let token = self.calls.token();
        match self.gate.load(Ordering::SeqCst) {
            open if open == Gate::Open as u8 => {
                let deadline = Instant::now() + self.slots[slot].info.timeout;
                Ok(Admitted { id: CallId::next(), slot, token, deadline })
            }
            starting if starting == Gate::Starting as u8 => {
                Err(CapabilityError::new(ErrorCode::Unavailable, "the service is starting")
                    .retryable(Some(RETRY_AFTER)))
            }
            _ => Err(CapabilityError::new(
                ErrorCode::Draining,
                "the service is on its way out; another instance may answer",
            )
            .retryable(Some(RETRY_AFTER))),
        }
    }

    /// Answers a call.
    ///
    /// # Errors
    /// What the handler refused with, or what the runtime did.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        admitted: Admitted,
        origin: Origin,
        input: Input,
    ) -> Result<Output, CapabilityError> {
        let Admitted { id, slot, token, deadline } = admitted;
        let info = self.slots[slot].info;
        let parts = CallParts { id, caller: origin.caller, via: origin.via, deadline };
        let (permit, answer) = self.begin(slot, parts, input).map_err(|refused| told(info, id, refused))?;
        let mut running = AssertUnwindSafe(answer);
        let first = poll_fn(|context| Poll::Ready(panics::caught(|| running.as_mut().poll(context)))).await;
        match first {
            Ok(Poll::Ready(result)) => return ended(info, id, result),
            Ok(Poll::Pending) => {}
            Err(panic) => {
                self.panics.fetch_add(1, Ordering::Relaxed);
                return ended(info, id, Err(panicked(panic)));
            }
        }
        let counted = Arc::clone(self);
        let rest = async move {
            let whole = poll_fn(move |context| match panics::caught(|| running.as_mut().poll(context)) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(result)) => Poll::Ready(result),
                Err(panic) => {
                    counted.panics.fetch_add(1, Ordering::Relaxed);
                    Poll::Ready(Err(panicked(panic)))
                }
            });
            let result = tokio::time::timeout_at(deadline, whole).await;
            let result = ended(info, id, result.unwrap_or_else(|_| Err(timed_out(info))));
            drop((permit, token));
            result
        };
        // A handler that panics while it is dropped at its deadline ends as an error here.
        tokio::spawn(rest).await.unwrap_or_else(|error| {
            self.panics.fetch_add(1, Ordering::Relaxed);
            Err(told(info, id, CapabilityError::internal(error)))
        })
    }

    fn begin(
        self: &Arc<Self>,
        slot: usize,
        parts: CallParts,
        input: Input,
    ) -> Result<(Permit, Answering), CapabilityError> {
        check_size(&input)?;
        let handler = self.handlers.get().and_then(|handlers| handlers.get(slot));
        let handler = handler.ok_or_else(|| CapabilityError::unavailable("the service is starting"))?;
        Ok((self.permit(slot)?, handler.answer(parts, input)))
    }

    /// Notes that a call ends before its request was whole.
    pub(crate) fn refuse(&self, admitted: &Admitted, error: CapabilityError) -> CapabilityError {
        told(self.slots[admitted.slot].info, admitted.id, error)
    }

    /// What a caller gets that does not send its request in time.
    pub(crate) fn timed_out(&self, admitted: &Admitted) -> CapabilityError {
        self.refuse(admitted, timed_out(self.slots[admitted.slot].info))
    }

    fn permit(self: &Arc<Self>, slot: usize) -> Result<Permit, CapabilityError> {
        let running = &self.slots[slot].running;
        if running.fetch_add(1, Ordering::Acquire) < MAX_CONCURRENCY {
            return Ok(Permit { dispatch: Arc::clone(self), slot });
        }
        running.fetch_sub(1, Ordering::Release);
        let message = format!("{MAX_CONCURRENCY} calls of `{}` are running", self.slots[slot].info.name);
        Err(CapabilityError::new(ErrorCode::Overloaded, message).retryable(Some(RETRY_AFTER)))
    }
}

fn check_size(input: &Input) -> Result<(), CapabilityError> {
    let Input::Json(body) = input;
    if body.len() <= MAX_REQUEST { Ok(()) } else { Err(too_large()) }
}

/// A name that a caller chose: short, and without control characters.
fn shown(name: &str) -> String {
    name.chars().take(128).flat_map(char::escape_debug).collect()
}

/// What a caller gets that sends more than a capability takes.
pub(crate) fn too_large() -> CapabilityError {
    let message = format!("the request is larger than {MAX_REQUEST} bytes");
    CapabilityError::new(ErrorCode::PayloadTooLarge, message).with_details(json!({"limit_bytes": MAX_REQUEST}))
}

fn check_reply(output: Output) -> Result<Output, CapabilityError> {
    let Output::Json(body) = &output;
    if body.len() <= MAX_REPLY {
        return Ok(output);
    }
    Err(CapabilityError::internal(format!("the reply has {} bytes, the limit is {MAX_REPLY}", body.len())))
}

/// What a caller gets whose call takes longer than its capability allows.
fn timed_out(info: &CapabilityInfo) -> CapabilityError {
    let message = format!("`{}` did not answer within {:?}", info.name, info.timeout);
    CapabilityError::new(ErrorCode::Timeout, message)
}

fn panicked(panic: panics::Panic) -> CapabilityError {
    CapabilityError::internal(panic)
}

/// What a handler came to, as its caller sees it. Told here, because the caller may be gone.
fn ended(
    info: &CapabilityInfo,
    id: CallId,
    result: Result<Output, CapabilityError>,
) -> Result<Output, CapabilityError> {
    result.and_then(check_reply).map_err(|error| told(info, id, error))
}

/// A service's own refusals are its business; what broke is told once, with all that is known.
fn told(info: &CapabilityInfo, id: CallId, error: CapabilityError) -> CapabilityError {
    match error.kind() {
        ErrorCode::Internal => {
            let source = std::error::Error::source(&error);
            if let Some(panic) = source.and_then(|source| source.downcast_ref::<panics::Panic>()) {
                tracing::error!(capability = info.name, capability_version = info.version, call_id = %id, at = panic.location, panic = panic.message, "handler panicked");
            } else {
                let chain = source.map(chain).unwrap_or_default();
                tracing::error!(capability = info.name, capability_version = info.version, call_id = %id, error = chain, "call failed");
            }
        }
        ErrorCode::Timeout => {
            tracing::warn!(capability = info.name, capability_version = info.version, call_id = %id, "call reached its deadline");
        }
        code => {
            tracing::debug!(capability = info.name, capability_version = info.version, call_id = %id, code = code.as_str(), "call refused");
        }
    }
    error
}
