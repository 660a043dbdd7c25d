//! The one path of every call: size -> concurrency -> decode -> run -> encode.
//!
//! A handler is polled once where the call came in. If it is ready, nothing was spawned; if not, it
//! moves to a task of its own, which ends it at its deadline and keeps it alive though its caller has
//! gone. Either way a panic is caught, and drain can wait for it.

mod addresses;
pub(crate) mod tally;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Level;

use self::addresses::Addresses;
use self::tally::{Outcome, Tally, panic_in};
use crate::capability::current::CurrentCall;
use crate::capability::trace::CallerTrace;
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
/// A call that took longer is told of, although it was answered.
const SLOW: Duration = Duration::from_secs(1);

/// Who brings a call, and by which way.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) caller: Caller,
    pub(crate) via: Via,
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

/// A capability that can be called.
struct Slot {
    info: &'static CapabilityInfo,
    tally: Tally,
}

/// The capabilities of the running service.
pub(crate) struct Dispatch {
    slots: Box<[Slot]>,
    addresses: Addresses,
    handlers: OnceLock<Vec<Bound>>,
    gate: AtomicU8,
    /// The calls that were let in and have not ended.
    in_flight: AtomicUsize,
    /// Told when the last of them ends in a drain.
    idle: Notify,
    unknown: AtomicU64,
    panics: AtomicU64,
}

impl Dispatch {
    /// Takes no calls until [`open`](Self::open).
    pub(crate) fn new(service: &'static ServiceInfo) -> Arc<Self> {
        let slots = service.capabilities.iter().map(|info| Slot { info, tally: Tally::new() });
        Arc::new(Self {
            slots: slots.collect(),
            addresses: Addresses::of(service.capabilities.iter()),
            handlers: OnceLock::new(),
            gate: AtomicU8::new(Gate::Starting as u8),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
            unknown: AtomicU64::new(0),
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
        let counted = self.slots.iter().map(|slot| (slot.info, slot.tally.running()));
        counted.filter(|(_, running)| *running > 0).collect()
    }

    /// What was counted of each capability's calls.
    pub(crate) fn tallies(&self) -> impl Iterator<Item = (&'static CapabilityInfo, &Tally)> {
        self.slots.iter().map(|slot| (slot.info, &slot.tally))
    }

    /// How many calls asked for what is not here.
    pub(crate) fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }

    /// How many calls ended with a panic of their handler.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// The place of `<name>/v<version>` in the table, if that is here.
    pub(crate) fn find(&self, path: &str) -> Option<usize> {
        self.addresses.find(path)
    }

    /// Counts a call that its caller may not make.
    pub(crate) fn unauthorized(&self, slot: usize) {
        self.slots[slot].tally.count(Outcome::Unauthorized);
    }

    /// What a caller gets that asks for what is not here: `unknown_capability` with near names, or
    /// `unsupported_version` with those that are here.
    pub(crate) fn stranger(&self, name: &str, version: &str) -> CapabilityError {
        self.unknown.fetch_add(1, Ordering::Relaxed);
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

    /// Lets a call in, before anything of it but its head was read.
    ///
    /// # Errors
    /// `unavailable` before the service is ready, `draining` when it is on its way out.
    pub(crate) fn admit(
        self: &Arc<Self>,
        slot: usize,
        origin: Origin,
        trace: Option<Arc<CallerTrace>>,
    ) -> Result<Admitted, CapabilityError> {
        // It counts before the gate is looked at: a drain that begins now either waits for it or is
        // seen here.
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let gate = self.gate.load(Ordering::SeqCst);
        if gate == Gate::Open as u8 {
            let dispatch = Arc::clone(self);
            let (id, begun) = (CallId::next(), Instant::now());
            return Ok(Admitted { dispatch, slot, id, begun, origin, trace, runs: false, counted: false });
        }
        self.leave();
        self.slots[slot].tally.count(Outcome::Draining);
        Err(if gate == Gate::Starting as u8 {
            CapabilityError::unavailable("the service is starting")
        } else {
            CapabilityError::new(ErrorCode::Draining, "the service is on its way out; another instance may answer")
                .retryable(Some(RETRY_AFTER))
        })
    }

    /// One call less is in flight.
    fn leave(&self) {
        let was = self.in_flight.fetch_sub(1, Ordering::SeqCst);
        if was == 1 && self.gate.load(Ordering::SeqCst) == Gate::Draining as u8 {
            self.idle.notify_waiters();
        }
    }
}

/// A call that was let in: drain waits for it, and it counts once.
pub(crate) struct Admitted {
    dispatch: Arc<Dispatch>,
    slot: usize,
    id: CallId,
    begun: Instant,
    origin: Origin,
    trace: Option<Arc<CallerTrace>>,
    /// Whether it has one of the places that its capability has for calls that run at once.
    runs: bool,
    counted: bool,
}

impl Admitted {
    pub(crate) fn id(&self) -> CallId {
        self.id
    }

    /// Until when the call may take, its body included.
    pub(crate) fn deadline(&self) -> Instant {
        let timeout = self.info().timeout;
        self.begun + self.origin.time_left.map_or(timeout, |left| left.min(timeout))
    }

    fn info(&self) -> &'static CapabilityInfo {
        self.dispatch.slots[self.slot].info
    }

    fn tally(&self) -> &Tally {
        &self.dispatch.slots[self.slot].tally
    }

    fn current(&self) -> CurrentCall {
        CurrentCall { id: self.id, capability: self.info(), trace: self.trace.clone() }
    }

    /// Begins to answer the call.
    ///
    /// # Errors
    /// When it does not come as far as its handler.
    pub(crate) fn answer(mut self, input: Input) -> Result<Answer, CapabilityError> {
        match self.begin(input) {
            Ok(answering) => Ok(Answer(State::Here { call: self, answering })),
            Err(refused) => Err(self.refuse(refused)),
        }
    }

    fn begin(&mut self, input: Input) -> Result<Answering, CapabilityError> {
        let size = input.size();
        if size > MAX_REQUEST {
            return Err(too_large());
        }
        self.tally().requests.observe(size as u64);
        self.take_place()?;
        let handler = self.dispatch.handlers.get().and_then(|handlers| handlers.get(self.slot));
        let handler = handler.ok_or_else(|| CapabilityError::unavailable("the service is starting"))?;
        let parts = CallParts {
            id: self.id,
            caller: self.origin.caller.clone(),
            via: self.origin.via,
            deadline: self.deadline(),
            hops: self.origin.hops,
            trace: self.trace.clone(),
            last_reply: self.tally().last_reply.load(Ordering::Relaxed),
        };
        Ok(handler.answer(parts, input))
    }

    fn take_place(&mut self) -> Result<(), CapabilityError> {
        let running = &self.tally().running;
        if running.fetch_add(1, Ordering::Acquire) < MAX_CONCURRENCY {
            self.runs = true;
            return Ok(());
        }
        running.fetch_sub(1, Ordering::Release);
        let message = format!("{MAX_CONCURRENCY} calls of `{}` are running", self.info().name);
        Err(CapabilityError::new(ErrorCode::Overloaded, message).retryable(Some(RETRY_AFTER)))
    }

    /// Ends a call before its handler saw it.
    pub(crate) fn refuse(&mut self, error: CapabilityError) -> CapabilityError {
        self.failed(error)
    }

    /// What a caller gets that does not send its request in time.
    pub(crate) fn timed_out(&mut self) -> CapabilityError {
        self.failed(timed_out(self.info()))
    }

    /// What a handler came to, as its caller sees it. Told here, because the caller may be gone.
    fn ended(&mut self, result: Result<Output, CapabilityError>) -> Result<Output, CapabilityError> {
        let output = match result.and_then(check_reply) {
            Ok(output) => output,
            Err(error) => return Err(self.failed(error)),
        };
        let size = output.size();
        let took = self.begun.elapsed();
        let tally = self.tally();
        tally.last_reply.store(size, Ordering::Relaxed);
        tally.replies.observe(size as u64);
        tally.durations.observe(nanoseconds(took));
        tally.count(Outcome::Ok);
        self.counted = true;
        if took > SLOW || tracing::enabled!(Level::DEBUG) {
            self.tell_answered(took);
        }
        Ok(output)
    }

    #[cold]
    fn tell_answered(&self, took: Duration) {
        let (info, id, caller) = (self.info(), self.id, &self.origin.caller);
        let (trace_id, duration_ms) = (self.current().trace_id(), took.as_secs_f64() * 1e3);
        if took > SLOW {
            tracing::info!(capability = info.name, capability_version = info.version, call_id = %id, %trace_id, duration_ms, ?caller, "slow call");
        } else {
            tracing::debug!(capability = info.name, capability_version = info.version, call_id = %id, %trace_id, duration_ms, ?caller, "call answered");
        }
    }

    #[cold]
    fn failed(&mut self, error: CapabilityError) -> CapabilityError {
        let outcome = Outcome::of(&error);
        let tally = self.tally();
        tally.durations.observe(nanoseconds(self.begun.elapsed()));
        tally.count(outcome);
        if outcome == Outcome::Panic {
            self.dispatch.panics.fetch_add(1, Ordering::Relaxed);
        }
        self.counted = true;
        self.tell_failed(&error);
        error
    }

    /// A service's own refusals are its business; what broke is told once, with all that is known.
    fn tell_failed(&self, error: &CapabilityError) {
        let (info, id) = (self.info(), self.id);
        let trace_id = self.current().trace_id();
        match error.kind() {
            ErrorCode::Internal => {
                if let Some(panic) = panic_in(error) {
                    tracing::error!(capability = info.name, capability_version = info.version, call_id = %id, %trace_id, at = panic.location, panic = panic.message, "handler panicked");
                } else {
                    let chain = std::error::Error::source(error).map(chain).unwrap_or_default();
                    tracing::error!(capability = info.name, capability_version = info.version, call_id = %id, %trace_id, error = chain, "call failed");
                }
            }
            ErrorCode::Timeout => {
                tracing::warn!(capability = info.name, capability_version = info.version, call_id = %id, %trace_id, "call reached its deadline");
            }
            code => {
                tracing::debug!(capability = info.name, capability_version = info.version, call_id = %id, %trace_id, code = code.as_str(), "call refused");
            }
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let tally = self.tally();
        if !self.counted {
            // Its caller left before the request was whole; or the process ends in the middle of it.
            tally.count(if self.runs { Outcome::Internal } else { Outcome::Invalid });
            tally.durations.observe(nanoseconds(self.begun.elapsed()));
        }
        if self.runs {
            tally.running.fetch_sub(1, Ordering::Release);
        }
        self.dispatch.leave();
    }
}

/// The answer to a call, once its request is whole. Only to be polled until it is ready.
pub(crate) struct Answer(State);

enum State {
    /// The handler has not been polled.
    Here {
        call: Admitted,
        answering: Answering,
    },
    /// The handler was not ready at once.
    Elsewhere(JoinHandle<Result<Output, CapabilityError>>),
    Over,
}

impl Future for Answer {
    type Output = Result<Output, CapabilityError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Here { call, answering } = &mut self.0 {
            let current = call.current();
            let ended = match current.within(|| panics::caught(|| answering.as_mut().poll(context))) {
                Ok(Poll::Ready(result)) => Some(call.ended(result)),
                Ok(Poll::Pending) => None,
                Err(panic) => Some(call.ended(Err(panicked(panic)))),
            };
            if let Some(result) = ended {
                self.0 = State::Over;
                return Poll::Ready(result);
            }
            if let State::Here { call, answering } = std::mem::replace(&mut self.0, State::Over) {
                self.0 = State::Elsewhere(tokio::spawn(run(call, answering)));
            }
        }
        match &mut self.0 {
            State::Elsewhere(task) => {
                let ended = ready!(Pin::new(task).poll(context));
                self.0 = State::Over;
                // Its panics are caught: only a process that ends takes a task away.
                Poll::Ready(ended.unwrap_or_else(|error| Err(CapabilityError::internal(error))))
            }
            State::Here { .. } | State::Over => Poll::Pending,
        }
    }
}

/// Runs a handler to its end or its deadline, although its caller may have gone.
async fn run(mut call: Admitted, mut answering: Answering) -> Result<Output, CapabilityError> {
    let current = call.current();
    let mut poll = |context: &mut Context<'_>| panics::caught(|| answering.as_mut().poll(context));
    let whole = poll_fn(|context| match current.clone().within(|| poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(result),
        Err(panic) => Poll::Ready(Err(panicked(panic))),
    });
    let result = match tokio::time::timeout_at(call.deadline(), whole).await {
        Ok(result) => result,
        // What it holds is the author's code, too.
        Err(_) => match panics::caught(move || drop(answering)) {
            Ok(()) => Err(timed_out(call.info())),
            Err(panic) => Err(panicked(panic)),
        },
    };
    call.ended(result)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
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
    let size = output.size();
    if size <= MAX_REPLY {
        return Ok(output);
    }
    Err(CapabilityError::internal(format!("the reply has {size} bytes, the limit is {MAX_REPLY}")))
}

/// What a caller gets whose call takes longer than its capability allows.
fn timed_out(info: &CapabilityInfo) -> CapabilityError {
    let message = format!("`{}` did not answer within {:?}", info.name, info.timeout);
    CapabilityError::new(ErrorCode::Timeout, message)
}

fn panicked(panic: panics::Panic) -> CapabilityError {
    CapabilityError::internal(panic)
}

#[cfg(test)]
mod tests;
