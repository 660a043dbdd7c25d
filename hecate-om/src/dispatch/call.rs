//! One call, stage by stage: what lets it in, and what is counted and told once it has ended. Its handler is `answer`'s.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::flow::{Flow, taking};
use super::table::Slot;
use super::tally::{Outcome, Tally, panic_in};
use super::{Dispatch, Origin};
use crate::capability::current::CurrentCall;
use crate::capability::trace::CallerTrace;
use crate::capability::{
    Answering, CallId, CallParts, CapabilityError, CapabilityInfo, Deadline, ErrorCode, Input, Items, Kind, Output,
    Progress, RETRY_AFTER,
};
use crate::guard::access;
use crate::guard::in_effect::{Cause, InEffect};
#[cfg(feature = "macula")]
use crate::guard::rate::{By, Limited};
#[cfg(feature = "macula")]
use crate::guard::warrant::Warrant;
use crate::telemetry::chain;

/// A call that took longer is told of, although it was answered.
const SLOW: Duration = Duration::from_secs(1);

/// A call that was let in: drain waits for it, and it counts once.
pub(crate) struct Admitted {
    dispatch: Arc<Dispatch>,
    slot: usize,
    id: CallId,
    begun: Instant,
    origin: Origin,
    trace: Option<Arc<CallerTrace>>,
    /// Of a call that streams.
    progress: Option<Arc<Progress>>,
    /// Whether it has one of the places that its capability has for calls that run at once.
    runs: bool,
    counted: bool,
}

impl Admitted {
    /// Only for a call that counts as one in flight. Inlined with what it passes through, because a call is
    /// large: each move of it costs as much as a stage.
    #[inline(always)]
    pub(super) fn new(dispatch: Arc<Dispatch>, slot: usize, origin: Origin, trace: Option<Arc<CallerTrace>>) -> Self {
        let (id, begun) = (CallId::next(), Instant::now());
        let info = dispatch.table.slots[slot].info;
        let progress = (info.kind != Kind::Unary).then(|| Arc::new(Progress::new(begun, patience(info, &origin))));
        Self { dispatch, slot, id, begun, origin, trace, progress, runs: false, counted: false }
    }

    pub(crate) fn id(&self) -> CallId {
        self.id
    }

    /// Until when the call may take, its body included.
    pub(crate) fn deadline(&self) -> Instant {
        self.progress.as_ref().map_or_else(|| self.begun + self.patience(), |progress| progress.deadline())
    }

    /// Told when streams are to end because the service does.
    pub(super) fn ending(&self) -> &CancellationToken {
        &self.dispatch.ending
    }

    fn patience(&self) -> Duration {
        patience(self.info(), &self.origin)
    }

    fn slot(&self) -> &Slot {
        &self.dispatch.table.slots[self.slot]
    }

    pub(crate) fn info(&self) -> &'static CapabilityInfo {
        self.slot().info
    }

    fn tally(&self) -> &Tally {
        &self.slot().tally
    }

    pub(super) fn current(&self) -> CurrentCall {
        CurrentCall { id: self.id, capability: self.info(), trace: self.trace.clone() }
    }

    /// The stages before the handler's own: decode, run and encode.
    pub(super) fn begin(&mut self, input: Input) -> Result<Answering, CapabilityError> {
        self.check_size(&input)?;
        self.check_access()?;
        self.check_rate()?;
        self.take_place()?;
        let handler = self.dispatch.handlers.get().and_then(|handlers| handlers.get(self.slot));
        let handler = handler.ok_or_else(|| CapabilityError::unavailable("the service is starting"))?;
        let parts = CallParts {
            id: self.id,
            caller: self.origin.warrant.caller(),
            via: self.origin.warrant.via(),
            deadline: match &self.progress {
                None => Deadline::At { begun: self.begun, patience: self.patience() },
                Some(progress) => Deadline::Moving(Arc::clone(progress)),
            },
            hops: self.origin.hops,
            trace: self.trace.clone(),
            last_reply: self.tally().last_reply.load(Ordering::Relaxed),
        };
        let input = if self.progress.is_none() { input } else { self.watched(input) };
        Ok(handler.answer(parts, input))
    }

    /// What comes of a call that streams.
    #[cold]
    fn watched(&self, input: Input) -> Input {
        match (input, &self.progress) {
            (Input::Items(incoming), Some(progress)) => Input::Items(taking(self, incoming, Arc::clone(progress))),
            (input, _) => input,
        }
    }

    /// The largest request that is taken now.
    pub(crate) fn most_payload(&self) -> usize {
        self.slot().limits.payload()
    }

    /// Ends a call whose request is larger.
    #[cold]
    pub(crate) fn refuse_size(&mut self) -> CapabilityError {
        let error = self.too_large();
        self.refuse(error)
    }

    /// What a caller gets whose request is larger; counted as a refusal of that limit.
    #[cold]
    pub(super) fn too_large(&self) -> CapabilityError {
        oversized(&self.slot().limits)
    }

    /// Where its limits are, for as long as its stream lasts.
    pub(super) fn place(&self) -> Place {
        Place { dispatch: Arc::clone(&self.dispatch), slot: self.slot }
    }

    fn check_size(&self, input: &Input) -> Result<(), CapabilityError> {
        let size = input.size();
        if size > self.most_payload() {
            return Err(self.too_large());
        }
        self.tally().requests.observe(size as u64);
        Ok(())
    }

    fn check_access(&self) -> Result<(), CapabilityError> {
        access::check(self.info(), &self.origin.warrant, || self.dispatch.standing())
    }

    /// Callers of this box are trusted with its time; those of the mesh are counted.
    #[cfg(feature = "macula")]
    fn check_rate(&self) -> Result<(), CapabilityError> {
        let Warrant::Mesh { node, .. } = &self.origin.warrant else { return Ok(()) };
        let now = self.begun.into_std();
        self.slot().limits.counted(now).take(node, now).map_err(|limited| self.limited(limited))
    }

    #[cfg(not(feature = "macula"))]
    fn check_rate(&self) -> Result<(), CapabilityError> {
        Ok(())
    }

    /// What a caller gets that calls too often. The log names one such caller in each period, and none
    /// in a quiet one.
    #[cfg(feature = "macula")]
    #[cold]
    fn limited(&self, limited: Limited) -> CapabilityError {
        let info = self.info();
        let rate = limited.rate;
        let (cause, whose) = match limited.by {
            By::Caller => (Cause::PerCaller, "one caller"),
            By::Total => (Cause::Total, "all callers of the mesh together"),
        };
        self.slot().limits.refused(cause);
        if let Some(refused) = limited.to_tell {
            let caller = self.origin.warrant.caller();
            tracing::warn!(capability = info.name, capability_version = info.version, %caller, refused, limit = %rate, of = whose, "calls are refused: too many come");
        }
        let message = format!("`{}` takes {rate} from {whose}", info.name);
        CapabilityError::new(ErrorCode::RateLimited, message)
            .with_details(json!({"calls": rate.calls, "period_ms": rate.period.as_millis() as u64}))
            .retryable(Some(limited.retry_after))
    }

    fn take_place(&mut self) -> Result<(), CapabilityError> {
        let (running, most) = (&self.tally().running, self.slot().limits.concurrency());
        if running.fetch_add(1, Ordering::Acquire) < most {
            self.runs = true;
            return Ok(());
        }
        running.fetch_sub(1, Ordering::Release);
        Err(self.overloaded(most))
    }

    #[cold]
    fn overloaded(&self, most: usize) -> CapabilityError {
        self.slot().limits.refused(Cause::Concurrency);
        let message = format!("{most} calls of `{}` are running", self.info().name);
        CapabilityError::new(ErrorCode::Overloaded, message).retryable(Some(RETRY_AFTER))
    }

    /// Ends a call before its handler saw it.
    pub(crate) fn refuse(&mut self, error: CapabilityError) -> CapabilityError {
        self.failed(error)
    }

    /// What a caller gets that does not send its request in time.
    pub(crate) fn timed_out(&mut self) -> CapabilityError {
        self.failed(timed_out(self.info(), self.patience()))
    }

    /// Ends a call whose caller left, where its handler is not to run on.
    #[cold]
    pub(super) fn cancelled(mut self) {
        self.end(Outcome::Cancelled);
        let (info, id, trace_id) = (self.info(), self.id, self.current().trace_id());
        tracing::debug!(capability = info.name, capability_version = info.version, call_id = %id, %trace_id, "caller left; call cancelled");
    }

    /// Returns once the handler has had its time: all of it, or of a stream that on which nothing moved.
    pub(super) async fn out_of_time(&self) {
        match &self.progress {
            None => tokio::time::sleep_until(self.deadline()).await,
            Some(progress) => progress.stalled().await,
        }
    }

    /// What a stream ends with on which nothing moves any more.
    pub(super) fn late(&self) -> CapabilityError {
        timed_out(self.info(), self.patience())
    }

    /// What a handler came to, or began to stream, as its caller sees it.
    pub(super) fn finished(mut self, result: Result<Output, CapabilityError>) -> Result<Output, CapabilityError> {
        match result {
            Ok(Output::Items(items)) => self.go_on(items),
            result => self.ended(result),
        }
    }

    /// What a handler came to that does not stream. Told here, because the caller may be gone.
    #[inline]
    pub(super) fn ended(&mut self, result: Result<Output, CapabilityError>) -> Result<Output, CapabilityError> {
        let output = match result {
            Ok(output) => output,
            Err(error) => return Err(self.failed(error)),
        };
        let size = output.size();
        if let Err(error) = self.check_reply_size(size) {
            return Err(self.failed(error));
        }
        let tally = self.tally();
        tally.last_reply.store(size, Ordering::Relaxed);
        tally.replies.observe(size as u64);
        self.answered();
        Ok(output)
    }

    /// The call lasts as long as its stream of replies.
    #[cold]
    pub(super) fn go_on(mut self, items: Items) -> Result<Output, CapabilityError> {
        match self.progress.clone() {
            Some(progress) => Ok(Output::Items(Flow::of(self, items, progress))),
            None => {
                Err(self.failed(CapabilityError::internal("a capability that is not declared as a stream gave one")))
            }
        }
    }

    /// Ends a call whose stream of replies was read as far as its caller wanted.
    pub(super) fn streamed(&mut self) {
        self.answered();
    }

    #[inline]
    fn answered(&mut self) {
        let took = self.begun.elapsed();
        let tally = self.tally();
        tally.durations.observe(nanoseconds(took));
        tally.count(Outcome::Ok);
        self.counted = true;
        // A stream takes as long as it is read.
        let is_slow = took > SLOW && self.progress.is_none();
        if is_slow || tracing::enabled!(Level::DEBUG) {
            self.tell_answered(took, is_slow);
        }
    }

    /// Whether a reply, or an item of one, is no larger than declared.
    pub(super) fn check_reply_size(&self, size: usize) -> Result<(), CapabilityError> {
        let limit = self.slot().limits.reply();
        if size <= limit {
            return Ok(());
        }
        self.slot().limits.refused(Cause::Reply);
        Err(CapabilityError::internal(format!("the reply has {size} bytes, the limit is {limit}")))
    }

    #[cold]
    fn tell_answered(&self, took: Duration, is_slow: bool) {
        let (info, id, caller) = (self.info(), self.id, self.origin.warrant.caller());
        let (trace_id, duration_ms) = (self.current().trace_id(), took.as_secs_f64() * 1e3);
        if is_slow {
            tracing::info!(capability = info.name, capability_version = info.version, call_id = %id, %trace_id, duration_ms, %caller, "slow call");
        } else {
            tracing::debug!(capability = info.name, capability_version = info.version, call_id = %id, %trace_id, duration_ms, %caller, "call answered");
        }
    }

    #[cold]
    fn failed(&mut self, error: CapabilityError) -> CapabilityError {
        self.end(Outcome::of(&error));
        self.tell_failed(&error);
        error.under(self.id)
    }

    fn end(&mut self, outcome: Outcome) {
        let tally = self.tally();
        tally.durations.observe(nanoseconds(self.begun.elapsed()));
        tally.count(outcome);
        if outcome == Outcome::Panic {
            self.dispatch.table.panics.fetch_add(1, Ordering::Relaxed);
        }
        self.counted = true;
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

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A place in the table.
pub(super) struct Place {
    dispatch: Arc<Dispatch>,
    slot: usize,
}

impl Place {
    pub(super) fn limits(&self) -> &InEffect {
        &self.dispatch.table.slots[self.slot].limits
    }

    pub(super) fn too_large(&self) -> CapabilityError {
        oversized(self.limits())
    }
}

#[cold]
fn oversized(limits: &InEffect) -> CapabilityError {
    limits.refused(Cause::Payload);
    too_large(limits.payload())
}

/// What a caller gets that sends more than a capability takes.
pub(crate) fn too_large(limit: usize) -> CapabilityError {
    let message = format!("the request is larger than {limit} bytes");
    CapabilityError::new(ErrorCode::PayloadTooLarge, message).with_details(json!({"limit_bytes": limit}))
}

/// What a caller gets whose call takes longer than its capability allows, or than it waits.
fn timed_out(info: &CapabilityInfo, patience: Duration) -> CapabilityError {
    let message = format!("`{}` did not answer within {patience:?}", info.name);
    CapabilityError::new(ErrorCode::Timeout, message)
}

/// How long a call may take: as long as its capability allows, and its caller waits.
fn patience(info: &CapabilityInfo, origin: &Origin) -> Duration {
    origin.time_left.map_or(info.timeout, |left| left.min(info.timeout))
}
