//! The streams of a call, watched: each item is measured, and where none moves for too long, the stream ends.
//!
//! A stream of replies is one call until its last item: it keeps its place, and drain waits for it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use tokio::task::AbortHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::answer::panicked;
use super::call::{Admitted, Place};
use crate::capability::{CapabilityError, ErrorCode, Incoming, Item, Items, Progress, RETRY_AFTER};
use crate::telemetry::panics;

/// How soon a stream is looked at again that somebody is busy with.
const BUSY: Duration = Duration::from_millis(20);

/// The requests of a call: none larger than the capability takes, and none after the end of a drain.
pub(super) fn taking(call: &Admitted, incoming: Incoming, progress: Arc<Progress>) -> Incoming {
    let Incoming { encoding, items } = incoming;
    let ending = Box::pin(call.ending().clone().cancelled_owned());
    let place = call.place();
    Incoming { encoding, items: Box::pin(Taking { items, place, progress, ending }) }
}

struct Taking {
    items: Items,
    /// Its limits may change while it lasts.
    place: Place,
    progress: Arc<Progress>,
    ending: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Stream for Taking {
    type Item = Result<Item, CapabilityError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Poll::Ready(item) = self.items.as_mut().poll_next(context) else {
            return self.ending.as_mut().poll(context).map(|()| Some(Err(draining())));
        };
        self.progress.touch();
        Poll::Ready(item.map(|item| match item {
            Ok(item) if item.size() > self.place.limits().payload() => Err(self.place.too_large()),
            // Where items are read, no more is kept than is declared.
            Err(error) if *error.kind() == ErrorCode::PayloadTooLarge => Err(self.place.too_large()),
            item => item,
        }))
    }
}

/// The replies to a call.
pub(super) struct Flow {
    shared: Arc<Mutex<Shared>>,
    watch: AbortHandle,
}

struct Shared {
    /// Until the stream has ended.
    running: Option<Running>,
    /// What ended it, to be told as its last item.
    last: Option<CapabilityError>,
    /// Who waits for an item.
    waker: Option<Waker>,
}

struct Running {
    call: Admitted,
    items: Items,
    progress: Arc<Progress>,
}

impl Flow {
    /// Goes on with a call whose handler has given its stream.
    pub(super) fn of(call: Admitted, items: Items, progress: Arc<Progress>) -> Items {
        let ending = call.ending().clone();
        progress.touch();
        let running = Running { call, items, progress: Arc::clone(&progress) };
        let shared = Arc::new(Mutex::new(Shared { running: Some(running), last: None, waker: None }));
        let watch = tokio::spawn(watch(Arc::downgrade(&shared), progress, ending)).abort_handle();
        Box::pin(Self { shared, watch })
    }
}

impl Stream for Flow {
    type Item = Result<Item, CapabilityError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let next = shared.next(context);
        if next.is_pending() {
            shared.waker = Some(context.waker().clone());
        }
        next
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.watch.abort();
        if let Some(running) = self.lock().running.take() {
            running.left();
        }
    }
}

impl Flow {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Item, CapabilityError>>> {
        let Some(running) = &mut self.running else { return Poll::Ready(self.last.take().map(Err)) };
        let polled = running.call.current().within(|| panics::caught(|| running.items.as_mut().poll_next(context)));
        let item = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(item)) => item,
            Err(panic) => Some(Err(panicked(panic))),
        };
        let item = match item {
            Some(Ok(item)) => running.call.check_reply_size(item.size()).map(|()| item),
            Some(Err(error)) => Err(error),
            None => {
                if let Some(running) = self.running.take() {
                    running.ended();
                }
                return Poll::Ready(None);
            }
        };
        match item {
            Ok(item) => {
                running.progress.touch();
                Poll::Ready(Some(Ok(item)))
            }
            Err(error) => {
                let error = self.running.take().map(|running| running.failed(error));
                Poll::Ready(error.map(Err))
            }
        }
    }

    /// Ends the stream from outside, whoever is to read it.
    fn end(&mut self, why: impl FnOnce(&Admitted) -> CapabilityError) {
        let Some(running) = self.running.take() else { return };
        let error = why(&running.call);
        self.last = Some(running.failed(error));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Running {
    fn ended(self) {
        let Self { mut call, items, .. } = self;
        call.streamed();
        discard(items);
    }

    /// The caller read as much as it wanted.
    fn left(self) {
        self.ended();
    }

    fn failed(self, error: CapabilityError) -> CapabilityError {
        let Self { mut call, items, .. } = self;
        discard(items);
        call.refuse(error)
    }
}

/// What a stream holds is the author's code, too.
fn discard(items: Items) {
    if let Err(panic) = panics::caught(move || drop(items)) {
        tracing::error!(at = panic.location, panic = panic.message, "a stream panicked when it was dropped");
    }
}

/// Ends a stream on which nothing moves any more, though nobody may be reading it; and those that are left at
/// the end of a drain.
async fn watch(shared: Weak<Mutex<Shared>>, progress: Arc<Progress>, ending: CancellationToken) {
    loop {
        let is_draining = tokio::select! {
            () = progress.stalled() => false,
            () = ending.cancelled() => true,
        };
        let Some(shared) = shared.upgrade() else { return };
        match shared.try_lock() {
            Ok(mut shared) if is_draining => return shared.end(|_| draining()),
            Ok(mut shared) => return shared.end(Admitted::late),
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner().end(Admitted::late),
            // Its producer is being polled right now, and may have something.
            Err(TryLockError::WouldBlock) => {}
        }
        drop(shared);
        tokio::time::sleep(BUSY).await;
    }
}

fn draining() -> CapabilityError {
    CapabilityError::new(ErrorCode::Draining, "the service is on its way out; another instance may answer")
        .retryable(Some(RETRY_AFTER))
}
