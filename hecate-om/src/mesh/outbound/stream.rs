//! Streams over the mesh, as their caller has them: opened as a call is brought, at another provider as long
//! as nothing of what is to be sent was taken, and then read and fed at that one.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use macula_rust::pool::PoolError;
use macula_rust::station_link::{LinkError, Stream};
use tokio::time::{Instant, timeout_at};

use super::balance::Outstanding;
use super::outcome::{Cause, Outcome};
use super::wire::{Request, Talking, WireError};
use super::{Bringing, MOST_ATTEMPTS, Outbound, Step};
use crate::capability::{CapabilityError, FromPoll, Item, Kind, Progress, Via};
use crate::client::{
    CallError, Encode, Open, Opened, Outgoing, Received, ReceivedItems, Sending, SentItems, Trail, timed_out,
};
use crate::mesh::metadata::{Metadata, StreamName};
use crate::mesh::stream::{Arrivals, Arrived, Window, Word, send};
use crate::mesh::value::{Value, cut, size};
use crate::node_id::NodeId;
use crate::random;

/// How long a provider may take to say that it knows windows, before items go to one that may not.
const GRACE: Duration = Duration::from_millis(500);

/// What the SDK lets an error of a stream have.
const MAX_TEXT: usize = 256;

/// Brings a stream to a provider, and back what it answers first.
pub(super) async fn open(
    outbound: &Outbound,
    open: Open<'_>,
    pin: Option<NodeId>,
    was_sought_nearby: bool,
) -> Result<Opened, CallError> {
    let Open { address, kind, sending, hops, trace, begun, deadline, patience, token, trail, .. } = open;
    let (mut request, items): (Box<dyn Encode>, _) = match sending {
        Some(Sending::One(request)) => (request, None),
        Some(Sending::Many(items)) => (Box::new(Nothing), Some(items)),
        None => return Err(CallError::lost("what was to be sent went elsewhere".to_owned(), trail.ended())),
    };
    let request = &mut *request;
    let call = Outgoing { address, request, hops, trace, begun, deadline, pin, token, was_sought_nearby, trail };
    let name = u128::from(random::number()) << 64 | u128::from(random::number());
    Opening { bringing: Bringing::new(outbound, call), kind, items, patience, name: name.to_be_bytes() }.run().await
}

/// What is put into the opening of a stream whose requests come later.
struct Nothing;

impl Encode for Nothing {
    fn json(&self) -> Result<Bytes, CapabilityError> {
        Ok(Bytes::from_static(b"{}"))
    }

    fn value(&self) -> Result<Value, CapabilityError> {
        Ok(Value::Map(Vec::new()))
    }
}

struct Opening<'a> {
    bringing: Bringing<'a>,
    kind: Kind,
    /// What is to be sent, until a provider has taken the call.
    items: Option<SentItems>,
    /// How long each wait may take, if not for ever.
    patience: Option<Duration>,
    name: StreamName,
}

/// What a provider answered first.
enum First {
    Many(Option<Item>),
    One(Value),
    /// It has nothing to say.
    Over,
}

/// Why a caller's own items ended before their end.
type Unsent = Arc<Mutex<Option<CapabilityError>>>;

impl Opening<'_> {
    async fn run(mut self) -> Result<Opened, CallError> {
        for _ in 0..MOST_ATTEMPTS {
            let known = self.bringing.known().await?;
            let Some(provider) = self.bringing.choose(&known)? else { break };
            let others = known.iter().any(|node| *node != provider && !self.bringing.tried.contains(node));
            if let Some(opened) = self.attempt(provider, others && self.bringing.call.pin.is_none()).await? {
                return Ok(opened);
            }
        }
        Err(self.bringing.ended())
    }

    /// What came of one provider; nothing when another one is to be asked.
    async fn attempt(&mut self, provider: NodeId, others: bool) -> Result<Option<Opened>, CallError> {
        let begun = Instant::now();
        let call = &mut self.bringing.call;
        let left = call.deadline.saturating_duration_since(begun);
        if left.is_zero() {
            return Err(timed_out(call.address, call.begun, std::mem::take(&mut call.trail)));
        }
        let wait = if call.address.is_idempotent && others { left / 2 } else { left };
        let request = self.request(provider)?;
        let outstanding = self.bringing.outbound.balance.begin(provider);
        let is_whole = self.items.is_some() || !self.kind.takes_stream();
        let opening = self.bringing.outbound.wire.open(request);
        let unsent = Unsent::default();
        let outcome = match timeout_at(begun + wait, opening).await {
            Err(_) => Outcome::TimedOut,
            Ok(Err(error)) => Outcome::of(Err(error)),
            Ok(Ok(mut talking)) => match self.first(provider, &mut talking, wait, &unsent).await {
                Ok(first) => return Ok(Some(self.opened(provider, first, talking.arrivals, outstanding, unsent))),
                Err(outcome) => outcome,
            },
        };
        if let Some(error) = taken(&unsent) {
            return Err(CallError::Request(error));
        }
        match self.bringing.settle(provider, begun, outcome)? {
            // What went to one provider cannot go to another.
            Step::Again if is_whole && self.kind.takes_stream() && self.items.is_none() => Err(self.bringing.end()),
            Step::Again => Ok(None),
            Step::Done(_) => Err(CallError::lost("the stream was answered as a call".to_owned(), Default::default())),
        }
    }

    fn request(&mut self, provider: NodeId) -> Result<Request, CallError> {
        let call = &mut self.bringing.call;
        let mut payload = call.request.value().map_err(CallError::Request)?;
        let metadata = Metadata {
            hops: call.hops,
            traceparent: Some(call.trace.traceparent()),
            deadline_ms: self.patience.and_then(|patience| u64::try_from(patience.as_millis()).ok()),
            stream: (self.kind == Kind::ServerStream).then_some(self.name),
        };
        metadata.put(&mut payload);
        let scope = call.address.name.split('.').next().unwrap_or_default();
        let grants = metadata.stream.map(|name| (crate::mesh::stream::grants(&call.address.org, scope), name));
        let (procedure, token) = (Arc::clone(&self.bringing.procedure), self.bringing.token.clone());
        Ok(Request { procedure, provider, payload, timeout: Duration::ZERO, token, kind: self.kind, grants })
    }

    /// What the provider answers first. Where many are sent, they go as soon as it has taken the call, or has
    /// not said so for a while: who knows nothing of such words waits for what comes.
    async fn first(
        &mut self,
        provider: NodeId,
        talking: &mut Talking,
        wait: Duration,
        unsent: &Unsent,
    ) -> Result<First, Outcome> {
        let moved = Arc::new(Progress::new(Instant::now(), wait));
        let is_known = self.bringing.outbound.memory.lookup(provider, Instant::now()).is_some();
        let grace = if is_known { moved.deadline() } else { moved.deadline().min(Instant::now() + GRACE) };
        loop {
            let until = if self.items.is_some() { grace } else { moved.deadline() };
            let arrived = match timeout_at(until, talking.arrivals.next()).await {
                Ok(arrived) => arrived,
                Err(_) if self.items.is_some() && grace < moved.deadline() => {
                    talking.window.lift();
                    self.send(talking, &moved, unsent);
                    continue;
                }
                // Something was sent meanwhile.
                Err(_) if until < moved.deadline() => continue,
                Err(_) => return Err(Outcome::TimedOut),
            };
            match arrived {
                Arrived::Word(Word::Taken) => {
                    talking.window.keep();
                    self.send(talking, &moved, unsent);
                }
                Arrived::Word(Word::Error(error)) => return Err(Outcome::of_refusal(error)),
                Arrived::Word(_) => return Ok(First::Many(None)),
                Arrived::Item(item) => return Ok(First::Many(Some(item))),
                Arrived::Reply(reply) => return Ok(First::One(reply)),
                Arrived::End if self.kind.gives_stream() => return Ok(First::Over),
                // Its end says why.
                Arrived::End => {}
                Arrived::Failed(error) => return Err(outcome(error)),
            }
        }
    }

    /// Sends what is to be sent from now on.
    fn send(&mut self, talking: &Talking, moved: &Arc<Progress>, unsent: &Unsent) {
        let Some(items) = self.items.take() else { return };
        let sending = Sender {
            items,
            stream: talking.stream.clone(),
            window: Arc::clone(&talking.window),
            kind: self.kind,
            moved: Arc::clone(moved),
            unsent: Arc::clone(unsent),
        };
        moved.touch();
        tokio::spawn(sending.run());
    }

    fn opened(
        &mut self,
        provider: NodeId,
        first: First,
        arrivals: Arrivals,
        outstanding: Outstanding,
        unsent: Unsent,
    ) -> Opened {
        self.bringing.outbound.balance.answered(provider);
        let received = match first {
            First::One(reply) => Received::One(Item::Value(reply)),
            First::Over => Received::Many(Box::pin(FromPoll(|_: &mut Context<'_>| Poll::Ready(None)))),
            First::Many(front) => Received::Many(received(provider, front, arrivals, outstanding, unsent)),
        };
        let trail = std::mem::take(&mut self.bringing.call.trail);
        Opened { received, via: Via::Mesh, provider: Some(provider), trail }
    }
}

/// The items of a provider, the first of which may be known. The stream ends when they are dropped.
fn received(
    provider: NodeId,
    mut front: Option<Item>,
    mut arrivals: Arrivals,
    outstanding: Outstanding,
    unsent: Unsent,
) -> ReceivedItems {
    let begun = Instant::now();
    let next = move |context: &mut Context<'_>| {
        // It counts as one of the provider's as long as it lasts.
        let _ = &outstanding;
        if let Some(item) = front.take() {
            return Poll::Ready(Some(Ok(item)));
        }
        loop {
            return Poll::Ready(match ready!(arrivals.poll(context)) {
                Arrived::Item(item) => Some(Ok(item)),
                Arrived::Word(Word::Error(error)) => Some(Err(CallError::Refused(error))),
                Arrived::Word(_) => continue,
                Arrived::End => None,
                Arrived::Reply(_) => {
                    let error = CapabilityError::invalid_request("one reply came in place of a stream");
                    Some(Err(CallError::Reply(error)))
                }
                Arrived::Failed(error) => Some(Err(match taken(&unsent) {
                    Some(error) => CallError::Request(error),
                    None => broken(provider, begun, error),
                })),
            });
        }
    };
    Box::pin(FromPoll(next))
}

fn taken(unsent: &Unsent) -> Option<CapabilityError> {
    unsent.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn outcome(error: LinkError) -> Outcome {
    Outcome::of(Err(WireError::Pool(PoolError::Link(error))))
}

/// How a stream ended of which something came.
fn broken(provider: NodeId, begun: Instant, error: LinkError) -> CallError {
    match outcome(error) {
        Outcome::Refused(error) | Outcome::NotRun(Cause::Busy(error)) => CallError::Refused(error),
        other => {
            let why = super::causes(other).join("; ");
            let mut trail = Trail::default();
            trail.add(Via::Mesh, Some(provider), begun, why.clone());
            CallError::lost(why, trail.ended())
        }
    }
}

/// What a caller sends.
struct Sender {
    items: SentItems,
    stream: Stream,
    window: Arc<Window>,
    kind: Kind,
    moved: Arc<Progress>,
    unsent: Unsent,
}

impl Sender {
    async fn run(mut self) {
        loop {
            let next = async {
                self.window.room().await;
                poll_fn(|context| self.items.as_mut().poll_next(context)).await
            };
            let item = tokio::select! {
                item = next => item,
                _ = self.stream.done() => return,
            };
            let Some(item) = item else { break };
            let value = match item.value() {
                Ok(value) => value,
                Err(error) => {
                    let text = cut(error.message(), MAX_TEXT).to_owned();
                    *self.unsent.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    let _ = self.stream.abort("invalid_request", &text).await;
                    return;
                }
            };
            let size = size(&value);
            if send(&self.stream, &self.window, value, size, None).await.is_none() {
                return;
            }
            self.moved.touch();
        }
        // After an end of the SDK's it could grant nothing.
        let _ = if self.kind == Kind::Bidi && self.window.is_kept() {
            self.stream.send_value(Word::End.value()).await
        } else {
            self.stream.close_send().await
        };
    }
}
