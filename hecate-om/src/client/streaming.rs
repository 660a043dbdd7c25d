//! Calls that stream: opened as any other call is made, at one provider, and read or fed item by item.
//!
//! What was sent of a stream cannot be sent again, so there is no second attempt once a provider took it.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::{Instant, Sleep};

use super::calling::{Parent, Plan, Seal};
use super::calls::{deadline, not_on_mesh};
use super::local::Headers;
use super::message::{CallReply, CallRequest, Encode, Typed};
use super::trail::Trail;
use super::{Address, Attempt, CallError, Calls, flow, process};
use crate::capability::{
    Capability, CapabilityError, FromPoll, Item, Items, Kind, Output, Progress, ReplyStream, RequestStream, Trace, Via,
    json,
};
use crate::config::mesh::Resolve;
#[cfg(feature = "macula")]
use crate::mesh::value;
use crate::node_id::NodeId;
use crate::service::Uses;

/// What goes to a provider.
pub(crate) enum Sending {
    One(Box<dyn Encode>),
    Many(SentItems),
}

/// Items without their type, each to be written in the form of the place that it goes to.
pub(crate) type SentItems = Pin<Box<dyn Stream<Item = Box<dyn Encode>> + Send>>;

/// What comes from a provider.
pub(crate) enum Received {
    One(Item),
    Many(ReceivedItems),
}

/// Items one after the other. An error is the last of them.
pub(crate) type ReceivedItems = Pin<Box<dyn Stream<Item = Result<Item, CallError>> + Send>>;

/// What a provider answered with, before its type is known, and where it came from.
pub(crate) struct Opened {
    pub(crate) received: Received,
    pub(crate) via: Via,
    pub(crate) provider: Option<NodeId>,
    /// What was tried before.
    pub(crate) trail: Trail,
}

impl<S, R, O> Capability<S, R, ReplyStream<O>> {
    /// Calls a capability that answers with a stream: in this process, on this box or over the mesh, as
    /// [`call`](Self::call) does. What is awaited is the provider's first word: its refusal, or the stream.
    ///
    /// ```
    /// # use hecate_om::prelude::*;
    /// # #[message] pub struct Count { to: u32 }
    /// # #[message] pub struct Number { value: u32 }
    /// # #[derive(Default)] pub struct Counter;
    /// # #[hecate_service(name = "hecate-counter")]
    /// # impl Counter {
    /// # /// Counts.
    /// # #[capability(version = 1)]
    /// # pub async fn count(&self, request: Count) -> Result<ReplyStream<Number>> {
    /// #     Ok(ReplyStream::iter((1..=request.to).map(|value| Number { value })))
    /// # }
    /// # }
    /// # async fn ask(context: &Context<Counter>) -> Result<(), CallError> {
    /// let mut numbers = Counter::COUNT.stream(context, Count { to: 3 }).await?;
    /// while let Some(number) = numbers.next().await {
    ///     println!("{}", number?.value);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CallError`], as of any call; and as the last item what the stream ended with.
    pub fn stream<'a, P>(self, parent: &'a P, request: R) -> Opening<'a, Replies<O>>
    where
        P: Parent,
        P::Service: Uses<S>,
        R: CallRequest,
        O: CallReply,
    {
        let sending = Sending::One(Box::new(Typed(request)));
        Opening::new(parent, &self, Kind::ServerStream, sending, Replies::of)
    }
}

impl<S, I, T> Capability<S, RequestStream<I>, T> {
    /// Calls a capability that takes a stream, with all items of one; its reply comes when the provider has
    /// seen enough of them.
    ///
    /// # Errors
    /// [`CallError`], as of any call.
    pub fn send_all<'a, P>(self, parent: &'a P, items: impl Stream<Item = I> + Send + 'static) -> Opening<'a, T>
    where
        P: Parent,
        P::Service: Uses<S>,
        I: CallRequest,
        T: CallReply,
    {
        Opening::new(parent, &self, Kind::ClientStream, Sending::Many(typed(items)), one)
    }
}

impl<S, I, O> Capability<S, RequestStream<I>, ReplyStream<O>> {
    /// Calls a capability that takes a stream and answers with one: both go on side by side.
    ///
    /// # Errors
    /// [`CallError`], as of any call; and as the last item what the stream ended with.
    pub fn exchange<'a, P>(
        self,
        parent: &'a P,
        items: impl Stream<Item = I> + Send + 'static,
    ) -> Opening<'a, Replies<O>>
    where
        P: Parent,
        P::Service: Uses<S>,
        I: CallRequest,
        O: CallReply,
    {
        Opening::new(parent, &self, Kind::Bidi, Sending::Many(typed(items)), Replies::of)
    }
}

fn typed<I: CallRequest>(items: impl Stream<Item = I> + Send + 'static) -> SentItems {
    let mut items = Box::pin(items);
    Box::pin(FromPoll(move |context: &mut Context<'_>| {
        let item = ready!(items.as_mut().poll_next(context));
        Poll::Ready(item.map(|item| Box::new(Typed(item)) as Box<dyn Encode>))
    }))
}

/// A stream of what an iterator gives, for calls that take one.
///
/// ```
/// # use hecate_om::prelude::*;
/// # #[message] pub struct Number { value: i64 }
/// let numbers = hecate_om::items((1..=3).map(|value| Number { value }));
/// # let _ = numbers;
/// ```
pub fn items<T>(items: T) -> impl Stream<Item = T::Item> + Send + 'static
where
    T: IntoIterator,
    T::IntoIter: Send + 'static,
{
    let mut items = items.into_iter();
    FromPoll(move |_: &mut Context<'_>| Poll::Ready(items.next()))
}

/// A call of a stream, which is made when it is awaited.
#[must_use = "a call is made when it is awaited"]
pub struct Opening<'a, T> {
    calls: &'a Arc<Calls>,
    plan: Plan,
    kind: Kind,
    sending: Sending,
    read: fn(Opened, Option<Duration>, Option<Instant>) -> Result<T, CallError>,
}

impl<'a, T> Opening<'a, T> {
    fn new<P: Parent, S, R, A>(
        parent: &'a P,
        capability: &Capability<S, R, A>,
        kind: Kind,
        sending: Sending,
        read: fn(Opened, Option<Duration>, Option<Instant>) -> Result<T, CallError>,
    ) -> Self {
        let calls = parent.calls(Seal);
        let plan = Plan::typed(calls.address_of(capability), parent.cause(Seal));
        Self { calls, plan, kind, sending, read }
    }

    /// Only the provider at this node will do, which must be on the mesh.
    pub fn pin(mut self, node: NodeId) -> Self {
        self.plan.pin = Some(node);
        self
    }

    /// Waits at most so long for the provider's first word, and for each item of its stream.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.plan.timeout = Some(timeout);
        self
    }

    /// Shows this token (a UCAN) on the mesh, in place of the service's own.
    pub fn token(mut self, token: impl Into<Arc<[u8]>>) -> Self {
        self.plan.token = Some(token.into());
        self
    }
}

impl<'a, T: 'a> IntoFuture for Opening<'a, T> {
    type Output = Result<T, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { calls, plan, kind, sending, read } = self;
        let (patience, until) = (plan.timeout, plan.cause.deadline);
        Box::pin(async move { read(calls.open(plan, kind, sending).await?, patience, until) })
    }
}

impl<T> fmt::Debug for Opening<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening({})", self.plan.address)
    }
}

/// What comes of a call that is answered with a stream. Dropped before its end, it ends the stream.
pub struct Replies<O> {
    /// Until the last one came.
    items: Option<ReceivedItems>,
    via: Via,
    provider: Option<NodeId>,
    attempts: Vec<Attempt>,
    /// How long one item may take.
    patience: Option<Duration>,
    /// When the call that caused this one must end.
    until: Option<Instant>,
    /// Made when there is something to wait for.
    timer: Option<Pin<Box<Sleep>>>,
    item: PhantomData<fn() -> O>,
}

impl<O: CallReply> Replies<O> {
    pub(crate) fn of(opened: Opened, patience: Option<Duration>, until: Option<Instant>) -> Result<Self, CallError> {
        let Opened { received, via, provider, trail } = opened;
        match received {
            Received::Many(items) => Ok(Self {
                items: Some(items),
                via,
                provider,
                attempts: trail.into_attempts(),
                patience,
                until,
                timer: None,
                item: PhantomData,
            }),
            Received::One(_) => {
                Err(CallError::Reply(CapabilityError::invalid_request("one reply came in place of a stream")))
            }
        }
    }

    /// The next reply; none when the stream is over.
    ///
    /// # Errors
    /// What the stream ended with.
    pub async fn next(&mut self) -> Option<Result<O, CallError>> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<O, CallError>>> {
        let Some(items) = &mut self.items else { return Poll::Ready(None) };
        let item = match items.as_mut().poll_next(context) {
            Poll::Ready(item) => item,
            Poll::Pending => {
                let by_patience = self.patience.and_then(|patience| Instant::now().checked_add(patience));
                let Some(at) = [by_patience, self.until].into_iter().flatten().min() else { return Poll::Pending };
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
                ready!(timer.as_mut().poll(context));
                Some(Err(CallError::Broken("no item came in time".into())))
            }
        };
        self.timer = None;
        let item = item.map(|item| read_item(item?));
        if !matches!(item, Some(Ok(_))) {
            self.items = None;
        }
        Poll::Ready(item)
    }
}

impl<O> Replies<O> {
    /// The way that the call took.
    pub fn via(&self) -> Via {
        self.via
    }

    /// The node that answers, on the mesh.
    pub fn provider(&self) -> Option<NodeId> {
        self.provider
    }

    /// What was tried before that answered; nothing, as a rule.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }
}

impl<O: CallReply> Stream for Replies<O> {
    type Item = Result<O, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

impl<O> fmt::Debug for Replies<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replies(via {})", self.via)
    }
}

fn one<T: CallReply>(opened: Opened, _: Option<Duration>, _: Option<Instant>) -> Result<T, CallError> {
    match opened.received {
        Received::One(item) => read_item(item),
        Received::Many(_) => {
            Err(CallError::Reply(CapabilityError::invalid_request("a stream came in place of one reply")))
        }
    }
}

fn read_item<T: CallReply>(item: Item) -> Result<T, CallError> {
    match item {
        Item::Json(body) => json::decode_reply(&body),
        #[cfg(feature = "macula")]
        Item::Value(value) => value::decode(value).map_err(|error| json::unreadable_reply(&error)),
    }
    .map_err(CallError::Reply)
}

impl Calls {
    /// Opens a stream at the nearest provider.
    pub(super) async fn open(&self, plan: Plan, kind: Kind, sending: Sending) -> Result<Opened, CallError> {
        self.check(&plan)?;
        let Plan { address, cause, pin, timeout, token, .. } = plan;
        let begun = Instant::now();
        let deadline = deadline(begun, cause.deadline, timeout);
        let waiting = Waiting::new(begun, deadline, cause.deadline);
        let sending = match sending {
            Sending::Many(items) => Sending::Many(waiting.for_each(items)),
            one => one,
        };
        let mut open = Open {
            address: &address,
            kind,
            sending: Some(sending),
            hops: cause.hops,
            trace: &cause.trace,
            begun,
            deadline,
            waiting,
            patience: patience(begun, cause.deadline, timeout),
            token,
            trail: Trail::default(),
        };
        // A node is pinned by what it proves to be, which only the mesh asks for.
        let was_sought_nearby = pin.is_none() && self.settings.resolve == Resolve::Nearest;
        if was_sought_nearby && let Some(opened) = self.open_nearby(&mut open).await {
            return opened;
        }
        #[cfg(feature = "macula")]
        if let Some(mesh) = self.mesh() {
            return mesh.open(open, pin, was_sought_nearby).await;
        }
        Err(not_on_mesh(&address, open.trail))
    }

    /// What came of the call, if there is a provider in this process or on this box.
    async fn open_nearby(&self, open: &mut Open<'_>) -> Option<Result<Opened, CallError>> {
        if let Some(opened) = process::open(self, open).await {
            return Some(opened);
        }
        let token = open.token.clone();
        let headers = Headers {
            org: Some(&open.address.org),
            realm: self.settings.realm.as_ref(),
            hops: open.hops,
            trace: open.trace,
            deadline: open.patience.and_then(|patience| Instant::now().checked_add(patience)),
            token: token.as_deref(),
        };
        for socket in self.neighbours.sockets(open.address, open.deadline).await {
            if let Some(opened) = flow::open(&socket, &headers, open).await {
                return Some(opened);
            }
        }
        None
    }
}

/// A stream to be opened.
pub(crate) struct Open<'a> {
    pub(crate) address: &'a Address,
    pub(crate) kind: Kind,
    /// Until a provider took it.
    pub(crate) sending: Option<Sending>,
    pub(crate) hops: u8,
    pub(crate) trace: &'a Trace,
    pub(crate) begun: Instant,
    /// Until when the provider's first word has to come, if no items are sent before.
    pub(crate) deadline: Instant,
    pub(crate) waiting: Waiting,
    /// How long the caller waits for each item, if it does not wait for ever.
    pub(crate) patience: Option<Duration>,
    pub(crate) token: Option<Arc<[u8]>>,
    pub(crate) trail: Trail,
}

impl Opened {
    /// What came from outside of any service, at the first attempt.
    pub(super) fn nearby(received: Received) -> Self {
        Self { received, via: Via::Box, provider: None, trail: Trail::default() }
    }

    /// The one reply that came.
    pub(crate) fn one<T: CallReply>(self) -> Result<T, CallError> {
        one(self, None, None)
    }

    /// The same, with a look at each reply of a stream.
    #[cfg(feature = "macula")]
    pub(crate) fn each<T: CallReply>(self, look: impl Fn(&T) -> Result<(), CapabilityError> + Send + 'static) -> Self {
        let Received::Many(mut items) = self.received else { return self };
        let next = move |context: &mut Context<'_>| {
            let item = ready!(items.as_mut().poll_next(context));
            Poll::Ready(item.map(|item| match item? {
                Item::Json(body) => {
                    look(&read_item::<T>(Item::Json(body.clone()))?).map_err(CallError::Reply)?;
                    Ok(Item::Json(body))
                }
                other => Ok(other),
            }))
        };
        Self { received: Received::Many(Box::pin(FromPoll(next))), ..self }
    }
}

impl Open<'_> {
    /// What came of it on this box.
    pub(super) fn opened(&mut self, received: Received) -> Opened {
        Opened { received, via: Via::Box, provider: None, trail: std::mem::take(&mut self.trail) }
    }
}

/// How long the provider's first word may take: counted anew with each item that is sent.
pub(crate) struct Waiting {
    progress: Arc<Progress>,
    /// When the call that caused this one must end.
    until: Option<Instant>,
}

impl Waiting {
    pub(super) fn new(begun: Instant, deadline: Instant, until: Option<Instant>) -> Self {
        Self { progress: Arc::new(Progress::new(begun, deadline.saturating_duration_since(begun))), until }
    }

    /// Counts from each of the items.
    pub(super) fn for_each(&self, mut items: SentItems) -> SentItems {
        let progress = Arc::clone(&self.progress);
        Box::pin(FromPoll(move |context: &mut Context<'_>| {
            let item = items.as_mut().poll_next(context);
            if item.is_ready() {
                progress.touch();
            }
            item
        }))
    }

    /// The word, if it comes in time.
    pub(crate) async fn word<T>(&self, word: impl Future<Output = T>) -> Option<T> {
        let until = async {
            match self.until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            word = word => Some(word),
            () = self.progress.stalled() => None,
            () = until => None,
        }
    }
}

/// How long each wait may take, as far as the caller says.
pub(super) fn patience(begun: Instant, parent: Option<Instant>, timeout: Option<Duration>) -> Option<Duration> {
    let parent = parent.map(|at| at.saturating_duration_since(begun));
    [parent, timeout].into_iter().flatten().min()
}

/// The items of a call as JSON, as they are asked for. One that cannot be written is the last.
pub(super) fn in_json(mut items: SentItems) -> Items {
    let next = move |context: &mut Context<'_>| {
        let item = ready!(items.as_mut().poll_next(context));
        Poll::Ready(item.map(|item| item.json().map(Item::Json)))
    };
    Box::pin(FromPoll(next))
}

/// What came of a call in this process, as its caller sees it.
pub(super) fn received(output: Output) -> Received {
    match output {
        Output::Json(body) => Received::One(Item::Json(body)),
        #[cfg(feature = "macula")]
        Output::Value(value) => Received::One(Item::Value(value)),
        Output::Items(mut items) => Received::Many(Box::pin(FromPoll(move |context: &mut Context<'_>| {
            let item = ready!(items.as_mut().poll_next(context));
            Poll::Ready(item.map(|item| item.map_err(CallError::Refused)))
        }))),
    }
}
