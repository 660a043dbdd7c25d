//! Calls that stream, as whoever writes a service makes them: fed and read item by item. How they come to a provider
//! is `open`.

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
use super::message::{CallReply, CallRequest, Encode, Typed};
use super::open::{Opened, Received, ReceivedItems, Sending, SentItems, read_item};
use super::{Attempt, CallError, Calls};
use crate::capability::{Capability, CapabilityError, FromPoll, Kind, ReplyStream, RequestStream, Via};
use crate::node_id::NodeId;
use crate::service::Uses;

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
        Opening::new(parent, &self, Kind::ClientStream, Sending::Many(typed(items)), |opened, _, _| opened.one())
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
