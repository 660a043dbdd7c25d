//! How a call of any kind comes to one provider, before its types are known: in this process, on this box or over
//! the mesh.
//!
//! What was sent of a stream cannot be sent again, so there is no second attempt once a provider took it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::Instant;

use super::calling::{Cause, Plan};
use super::calls::{deadline, not_on_mesh};
use super::local::Headers;
use super::message::{CallReply, Encode};
use super::trail::Trail;
use super::{Address, CallError, Calls, flow, process};
use crate::capability::{CapabilityError, FromPoll, Item, Items, Kind, Output, Progress, Trace, Via, json};
use crate::config::mesh::Resolve;
#[cfg(feature = "macula")]
use crate::mesh::value;
use crate::node_id::NodeId;

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

impl Calls {
    /// Opens a stream at the nearest provider.
    pub(super) async fn open(&self, plan: Plan, kind: Kind, sending: Sending) -> Result<Opened, CallError> {
        self.check(&plan)?;
        let Plan { address, cause, pin, timeout, token, .. } = plan;
        let mut open = Open::begin(&address, kind, sending, &cause, timeout, token);
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
        match self.received {
            Received::One(item) => read_item(item),
            Received::Many(_) => {
                Err(CallError::Reply(CapabilityError::invalid_request("a stream came in place of one reply")))
            }
        }
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

impl<'a> Open<'a> {
    /// A stream that is opened from now on.
    pub(super) fn begin(
        address: &'a Address,
        kind: Kind,
        sending: Sending,
        cause: &'a Cause,
        timeout: Option<Duration>,
        token: Option<Arc<[u8]>>,
    ) -> Self {
        let begun = Instant::now();
        let deadline = deadline(begun, cause.deadline, timeout);
        let waiting = Waiting::new(begun, deadline, cause.deadline);
        let sending = match sending {
            Sending::Many(items) => Sending::Many(waiting.for_each(items)),
            one => one,
        };
        Self {
            address,
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
        }
    }

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
    fn new(begun: Instant, deadline: Instant, until: Option<Instant>) -> Self {
        Self { progress: Arc::new(Progress::new(begun, deadline.saturating_duration_since(begun))), until }
    }

    /// Counts from each of the items.
    fn for_each(&self, mut items: SentItems) -> SentItems {
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
fn patience(begun: Instant, parent: Option<Instant>, timeout: Option<Duration>) -> Option<Duration> {
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

/// A reply in its type, whatever form it came in.
pub(super) fn read_item<T: CallReply>(item: Item) -> Result<T, CallError> {
    match item {
        Item::Json(body) => json::decode_reply(&body),
        #[cfg(feature = "macula")]
        Item::Value(value) => value::decode(value).map_err(|error| json::unreadable_reply(&error)),
    }
    .map_err(CallError::Reply)
}
