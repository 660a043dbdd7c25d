//! Streams as a handler meets them: items that a caller sends one by one, and items that it is sent.
//!
//! Nothing runs ahead: an item is made when the one before was taken.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use super::{CapabilityError, Refusal};

type Boxed<T> = Pin<Box<dyn Stream<Item = Result<T, CapabilityError>> + Send>>;

/// The requests of one call, one after the other: in place of the request of a handler.
///
/// It ends with [`None`]. An error is its last item: a request that cannot be read, a caller that left.
///
/// ```
/// # use hecate_om::prelude::*;
/// # #[message] pub struct Number { value: i64 }
/// # #[message] pub struct Sum { total: i64 }
/// # #[derive(Default)] pub struct Adder;
/// # #[hecate_service(name = "hecate-adder")]
/// # impl Adder {
/// /// Adds up what it is sent.
/// #[capability(version = 1)]
/// pub async fn add(&self, mut numbers: RequestStream<Number>) -> Result<Sum> {
///     let mut total = 0;
///     while let Some(number) = numbers.next().await {
///         total += number?.value;
///     }
///     Ok(Sum { total })
/// }
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let numbers = RequestStream::iter([Number { value: 1 }, Number { value: 2 }]);
/// assert_eq!(Adder.add(numbers).await.unwrap().total, 3);
/// # });
/// ```
pub struct RequestStream<I>(Option<Boxed<I>>);

impl<I: 'static> RequestStream<I> {
    pub(crate) fn new(items: impl Stream<Item = Result<I, CapabilityError>> + Send + 'static) -> Self {
        Self(Some(Box::pin(items)))
    }

    /// Requests that are at hand: for a unit test, which calls a handler as a function.
    pub fn iter<T>(items: T) -> Self
    where
        T: IntoIterator<Item = I>,
        T::IntoIter: Send + 'static,
    {
        Self::new(ready(items.into_iter()))
    }

    /// The next request.
    ///
    /// # Errors
    /// When it cannot be read, or will not come: `invalid_request`, `payload_too_large`, `draining`.
    pub async fn next(&mut self) -> Option<Result<I, CapabilityError>> {
        poll_fn(|context| poll(&mut self.0, context)).await
    }
}

impl<I> Stream for RequestStream<I> {
    type Item = Result<I, CapabilityError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        poll(&mut self.0, context)
    }
}

/// The replies to one call, one after the other: what a handler returns in place of its reply.
///
/// ```
/// # use hecate_om::prelude::*;
/// # #[message] pub struct Count { to: u32 }
/// # #[message] pub struct Number { value: u32 }
/// # #[derive(Default)] pub struct Counter;
/// # #[hecate_service(name = "hecate-counter")]
/// # impl Counter {
/// /// Counts.
/// #[capability(version = 1)]
/// pub async fn count(&self, request: Count) -> Result<ReplyStream<Number>> {
///     Ok(ReplyStream::iter((1..=request.to).map(|value| Number { value })))
/// }
///
/// /// Counts, with rests.
/// #[capability(version = 1)]
/// pub async fn count_slowly(&self, request: Count) -> Result<ReplyStream<Number>> {
///     Ok(ReplyStream::produce(async move |sink| {
///         for value in 1..=request.to {
///             tokio::time::sleep(std::time::Duration::from_millis(10)).await;
///             sink.send(Number { value }).await;
///         }
///         Ok::<_, CapabilityError>(())
///     }))
/// }
/// # }
/// ```
pub struct ReplyStream<O>(Option<Boxed<O>>);

impl<O: Send + 'static> ReplyStream<O> {
    /// Replies that are at hand, or made as they are asked for.
    pub fn iter<T>(items: T) -> Self
    where
        T: IntoIterator<Item = O>,
        T::IntoIter: Send + 'static,
    {
        Self(Some(Box::pin(ready(items.into_iter()))))
    }

    /// The items of another stream. An error is the last that the caller gets.
    pub fn new<E: Refusal>(items: impl Stream<Item = Result<O, E>> + Send + 'static) -> Self {
        let mut items = Box::pin(items);
        let next = move |context: &mut Context<'_>| {
            items.as_mut().poll_next(context).map(|item| item.map(|item| item.map_err(Refusal::into_error)))
        };
        Self(Some(Box::pin(FromPoll(next))))
    }

    /// What a producer sends. It runs only while the caller waits for an item, and is dropped when the
    /// caller leaves; its error is the last that the caller gets.
    pub fn produce<F, Fut, E>(producer: F) -> Self
    where
        F: FnOnce(ReplySink<O>) -> Fut,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Refusal,
    {
        let (sender, mut items) = mpsc::channel(1);
        let mut producer = Some(Box::pin(producer(ReplySink(sender))));
        let mut failed = None;
        let next = move |context: &mut Context<'_>| {
            loop {
                let item = items.poll_recv(context);
                if let Poll::Ready(Some(item)) = item {
                    return Poll::Ready(Some(Ok(item)));
                }
                match producer.as_mut().map(|producer| producer.as_mut().poll(context)) {
                    // It may have sent something, which comes although this task has had its turn: looked for
                    // in the way of above, it would not, and never.
                    Some(Poll::Pending) => {
                        return items.try_recv().map_or(Poll::Pending, |item| Poll::Ready(Some(Ok(item))));
                    }
                    Some(Poll::Ready(ended)) => {
                        producer = None;
                        failed = ended.err().map(Refusal::into_error);
                    }
                    // What it gave its sink to may go on.
                    None if item.is_pending() => return Poll::Pending,
                    None => return Poll::Ready(failed.take().map(Err)),
                }
            }
        };
        Self(Some(Box::pin(FromPoll(next))))
    }
}

impl<O> ReplyStream<O> {
    /// The next reply: for a unit test, which calls a handler as a function.
    ///
    /// # Errors
    /// What the handler ended its stream with.
    pub async fn next(&mut self) -> Option<Result<O, CapabilityError>> {
        poll_fn(|context| poll(&mut self.0, context)).await
    }
}

impl<O> Stream for ReplyStream<O> {
    type Item = Result<O, CapabilityError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        poll(&mut self.0, context)
    }
}

/// Where the producer of a [`ReplyStream`] puts its items.
pub struct ReplySink<O>(mpsc::Sender<O>);

impl<O> ReplySink<O> {
    /// Sends an item and waits until it was taken; says whether anybody still reads. Of that the producer
    /// itself need not care: it is dropped when nobody does.
    pub async fn send(&self, item: O) -> bool {
        // There is room for one item only: when there is again, it was taken.
        self.0.send(item).await.is_ok() && self.0.reserve().await.is_ok()
    }
}

impl<I> fmt::Debug for RequestStream<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestStream")
    }
}

impl<O> fmt::Debug for ReplyStream<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyStream")
    }
}

impl<O> fmt::Debug for ReplySink<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplySink")
    }
}

/// A stream that is over, or has failed, is not asked again.
fn poll<T>(items: &mut Option<Boxed<T>>, context: &mut Context<'_>) -> Poll<Option<Result<T, CapabilityError>>> {
    let Some(stream) = items else { return Poll::Ready(None) };
    let next = stream.as_mut().poll_next(context);
    if matches!(next, Poll::Ready(None | Some(Err(_)))) {
        *items = None;
    }
    next
}

fn ready<T>(mut items: impl Iterator<Item = T> + Send) -> impl Stream<Item = Result<T, CapabilityError>> + Send {
    FromPoll(move |_: &mut Context<'_>| Poll::Ready(items.next().map(Ok)))
}

/// A stream made of what its poll does.
pub(crate) struct FromPoll<F>(pub(crate) F);

/// Nothing in it is pinned.
impl<F> Unpin for FromPoll<F> {}

impl<T, F> Stream for FromPoll<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<Option<T>>,
{
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        (self.0)(context)
    }
}
