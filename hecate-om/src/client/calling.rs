//! A call before it is made: whose it is, what it is called with, and what is asked of it besides.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::calls::Delivered;
use super::message::{CallReply, CallRequest, Typed};
use super::{Address, Attempt, CallError, Calls};
use crate::capability::{Call, Capability, CapabilityError, Output, Trace, Via, json};
use crate::context::Context;
#[cfg(feature = "macula")]
use crate::mesh::value;
use crate::node_id::NodeId;
use crate::service::Uses;

/// How long a call takes at most that no other caused, unless it is told otherwise.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// What a call can be made from: the [`Call`] that a handler answers, whose deadline, hops and trace go
/// on with it, or the [`Context`] of a service, where one begins.
#[diagnostic::on_unimplemented(
    message = "a call cannot be made from `{Self}`",
    label = "neither a `Call` nor a `Context`",
    note = "help: give it the handler's `call: &Call<Self>`, or a `&Context<Self>` outside of a call"
)]
pub trait Parent: sealed::Sealed {
    /// The service that calls.
    type Service;

    #[doc(hidden)]
    fn calls(&self, seal: Seal) -> &Arc<Calls>;

    #[doc(hidden)]
    fn cause(&self, seal: Seal) -> Cause;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

impl<S> sealed::Sealed for Call<S> {}
impl<S> sealed::Sealed for Context<S> {}

/// Nobody else can ask a parent for its insides.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Seal;

/// What a call takes over from what caused it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Cause {
    pub(crate) hops: u8,
    pub(crate) deadline: Option<Instant>,
    pub(crate) trace: Trace,
}

impl<S> Parent for Call<S> {
    type Service = S;

    fn calls(&self, _: Seal) -> &Arc<Calls> {
        Call::calls(self)
    }

    fn cause(&self, _: Seal) -> Cause {
        Cause { hops: self.hops().saturating_add(1), deadline: Some(self.deadline().into()), trace: self.trace() }
    }
}

impl<S> Parent for Context<S> {
    type Service = S;

    fn calls(&self, _: Seal) -> &Arc<Calls> {
        Context::calls(self)
    }

    fn cause(&self, _: Seal) -> Cause {
        Cause { hops: 0, deadline: None, trace: Trace::fresh() }
    }
}

/// A call as it is to be made. It may hold a token, so it is never shown.
pub(crate) struct Plan {
    pub(crate) address: Address,
    pub(crate) cause: Cause,
    /// Whether the compiler has not seen that the caller declares it.
    pub(crate) is_by_reference: bool,
    pub(crate) pin: Option<NodeId>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) token: Option<Arc<[u8]>>,
}

impl Plan {
    pub(crate) fn typed(address: Address, cause: Cause) -> Self {
        Self { address, cause, is_by_reference: false, pin: None, timeout: None, token: None }
    }

    pub(super) fn by_reference(address: Address, cause: Cause) -> Self {
        Self { is_by_reference: true, ..Self::typed(address, cause) }
    }
}

impl<S, R, T> Capability<S, R, T> {
    /// Calls the capability: in this process if its service runs here, else on this box, else over the
    /// mesh.
    ///
    /// From the [`Call`] that a handler answers, the call ends when that must, and counts as one more hop
    /// of it; from a [`Context`] it begins anew and may take 30 seconds. What it needs besides, the
    /// [`Calling`] takes: a timeout, a node, a token.
    ///
    /// ```
    /// # use hecate_om::prelude::*;
    /// # #[message] pub struct Text { text: String }
    /// #[derive(Default)]
    /// pub struct Echo;
    ///
    /// #[hecate_service(name = "hecate-echo")]
    /// impl Echo {
    ///     /// Says what it is told.
    ///     #[capability(version = 1)]
    ///     pub async fn say(&self, request: Text) -> Result<Text> { Ok(request) }
    ///
    ///     /// Says it to itself.
    ///     #[capability(version = 1)]
    ///     pub async fn mutter(&self, request: Text, call: &Call<Self>) -> Result<Text, CallError> {
    ///         Echo::SAY.call(call, request).await
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`CallError`]: as a handler's error it goes on to its caller, a refusal as it came.
    pub fn call<'a, P>(self, parent: &'a P, request: R) -> Calling<'a, R, T>
    where
        P: Parent,
        P::Service: Uses<S>,
        R: CallRequest,
        T: CallReply,
    {
        let calls = parent.calls(Seal);
        Calling::new(calls, Plan::typed(calls.address_of(&self), parent.cause(Seal)), request)
    }
}

/// A call that is made when it is awaited.
///
/// ```
/// # use std::time::Duration;
/// # use hecate_om::prelude::*;
/// # #[message] pub struct Text { text: String }
/// # #[derive(Default)] pub struct Echo;
/// # #[hecate_service(name = "hecate-echo")]
/// # impl Echo {
/// # /// Says what it is told.
/// # #[capability(version = 1)]
/// # pub async fn say(&self, request: Text) -> Result<Text> { Ok(request) }
/// # }
/// # async fn ask(context: &Context<Echo>) -> Result<(), CallError> {
/// let said = Echo::SAY.call(context, Text { text: "hello".into() }).timeout(Duration::from_secs(1)).detailed().await?;
/// println!("{} via {}", said.reply.text, said.via);
/// # Ok(())
/// # }
/// ```
#[must_use = "a call is made when it is awaited"]
pub struct Calling<'a, R, T> {
    calls: &'a Arc<Calls>,
    plan: Plan,
    request: R,
    /// How it is made: bounds are asked for where a call is written, and not again where it is awaited.
    made: Made<'a, R, T>,
}

type Making<'a, T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send + 'a>>;

struct Made<'a, R, T> {
    plain: fn(Calling<'a, R, T>) -> Making<'a, T>,
    detailed: fn(Calling<'a, R, T>) -> Making<'a, Answered<T>>,
}

impl<'a, R: CallRequest, T: CallReply> Calling<'a, R, T> {
    pub(super) fn new(calls: &'a Arc<Calls>, plan: Plan, request: R) -> Self {
        let made = Made {
            plain: |calling| Box::pin(async move { calling.make().await.map(|answered| answered.reply) }),
            detailed: |calling| Box::pin(calling.make()),
        };
        Self { calls, plan, request, made }
    }
}

impl<'a, R, T> Calling<'a, R, T> {
    /// Only the provider at this node will do, which must be on the mesh.
    pub fn pin(mut self, node: NodeId) -> Self {
        self.plan.pin = Some(node);
        self
    }

    /// Takes at most so long: in all, whatever is tried, and never longer than the call that caused it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.plan.timeout = Some(timeout);
        self
    }

    /// Shows this token (a UCAN) on the mesh, in place of the service's own.
    pub fn token(mut self, token: impl Into<Arc<[u8]>>) -> Self {
        self.plan.token = Some(token.into());
        self
    }

    /// Tells with the reply where it came from.
    pub fn detailed(self) -> Detailed<'a, R, T> {
        Detailed(self)
    }
}

impl<R: CallRequest, T: CallReply> Calling<'_, R, T> {
    async fn make(self) -> Result<Answered<T>, CallError> {
        let mut request = Typed(self.request);
        let Delivered { reply, via, provider, trail } = self.calls.carry(self.plan, &mut request).await?;
        let read = match reply {
            Output::Json(body) => json::decode_reply::<T>(&body),
            #[cfg(feature = "macula")]
            Output::Value(value) => value::decode::<T>(value).map_err(|error| json::unreadable_reply(&error)),
            Output::Items(_) => Err(CapabilityError::internal("one reply was expected, and a stream came")),
        };
        match read {
            Ok(reply) => Ok(Answered { reply, via, provider, attempts: trail.into_attempts() }),
            Err(error) => Err(CallError::Reply(error.caused_by(trail.ended()))),
        }
    }
}

impl<'a, R, T> IntoFuture for Calling<'a, R, T> {
    type Output = Result<T, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        (self.made.plain)(self)
    }
}

impl<R, T> fmt::Debug for Calling<'_, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Calling({})", self.plan.address)
    }
}

/// A call whose reply comes with what is known of it.
#[must_use = "a call is made when it is awaited"]
#[derive(Debug)]
pub struct Detailed<'a, R, T>(Calling<'a, R, T>);

impl<'a, R, T> IntoFuture for Detailed<'a, R, T> {
    type Output = Result<Answered<T>, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        (self.0.made.detailed)(self.0)
    }
}

/// A reply, and where it came from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answered<T> {
    /// The reply.
    pub reply: T,
    /// The way that the call took.
    pub via: Via,
    /// The node that answered, on the mesh.
    pub provider: Option<NodeId>,
    /// What was tried before that answered; nothing, as a rule.
    pub attempts: Vec<Attempt>,
}
