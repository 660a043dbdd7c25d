//! What a capability is: its typed address, what is known of it at compile time, and the types that
//! its handler meets. Apart from `dispatch`, which runs handlers, and from `local`, which brings calls in.

mod call;
pub(crate) mod current;
mod error;
mod flow;
mod handler;
pub(crate) mod json;
mod kind;
mod message;
mod progress;
mod refusal;
mod stream;
pub(crate) mod trace;

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

pub use call::{Call, CallId, Caller, Via};
pub(crate) use call::{CallParts, MAX_HOPS};
pub(crate) use error::RETRY_AFTER;
pub use error::{CapabilityError, ErrorCode};
pub(crate) use flow::{Encoding, Incoming, Item, Items};
pub use handler::Handlers;
pub(crate) use handler::{Answering, Bound, HandlerContract, Input, Output};
pub use kind::{Confidential, Kind};
pub use message::{Reply, Request};
pub(crate) use progress::{Deadline, Progress};
pub use refusal::{Refusal, RefusalCode};
pub(crate) use stream::FromPoll;
pub use stream::{ReplySink, ReplyStream, RequestStream};
pub use trace::{Trace, TraceId};

use crate::guard::Limits;
use crate::node_id::NodeId;

/// The typed address of one capability of service `S`: `#[capability]` makes one for each handler.
///
/// A caller and a test take it; it is small, so copy it freely. [`remote_service!`](crate::remote_service)
/// makes one for each capability of a service whose crate is not linked.
///
/// ```
/// # use hecate_om::prelude::*;
/// # #[derive(Default)] struct Greeter;
/// #[hecate_service(name = "hecate-greeter")]
/// impl Greeter {
///     /// Says hello.
///     #[capability(version = 1)]
///     async fn hello(&self) -> Result<()> { Ok(()) }
/// }
/// assert_eq!(Greeter::HELLO.to_string(), "greeter.hello@1");
/// ```
pub struct Capability<S, R, T> {
    provider: &'static str,
    name: &'static str,
    version: u16,
    is_idempotent: bool,
    is_open: bool,
    types: PhantomData<fn(S, R) -> T>,
}

impl<S, R, T> Capability<S, R, T> {
    #[doc(hidden)]
    pub const fn new(provider: &'static str, name: &'static str, version: u16) -> Self {
        Self { provider, name, version, is_idempotent: false, is_open: false, types: PhantomData }
    }

    #[doc(hidden)]
    pub const fn idempotent(mut self) -> Self {
        self.is_idempotent = true;
        self
    }

    #[doc(hidden)]
    pub const fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// The service that answers it, `hecate-greeter`.
    pub const fn provider(&self) -> &'static str {
        self.provider
    }

    /// Whether answering it twice is as good as once, so that a call whose outcome is unknown may be
    /// made again elsewhere.
    pub const fn is_idempotent(&self) -> bool {
        self.is_idempotent
    }

    /// Whether anyone on the mesh may call it, so that no call of it needs a token.
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    /// The dotted name, `greeter.greet`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The version, from 1.
    pub const fn version(&self) -> u16 {
        self.version
    }
}

impl<S, R, T> Clone for Capability<S, R, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, R, T> Copy for Capability<S, R, T> {}

impl<S, R, T> fmt::Debug for Capability<S, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capability({self})")
    }
}

impl<S, R, T> fmt::Display for Capability<S, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// Who may call a capability over the mesh. On its own box, a service of the same user or of root
/// passes [`Open`](Self::Open) and [`Realm`](Self::Realm).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Access {
    /// Anyone on the mesh.
    Open,
    /// Whoever holds a token (a UCAN) for it that the realm granted.
    #[default]
    Realm,
    /// Whoever holds a token for it that this node granted.
    Issuer(NodeId),
}

/// As in the manifest: `open`, `realm`, `issuer:<64 hex>`.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Access::Open => f.write_str("open"),
            Access::Realm => f.write_str("realm"),
            Access::Issuer(node) => write!(f, "issuer:{node}"),
        }
    }
}

/// What a service declares of one capability, known at compile time.
#[derive(Debug)]
#[non_exhaustive]
pub struct CapabilityInfo {
    /// The dotted name, `greeter.greet`.
    pub name: &'static str,
    /// The version, from 1.
    pub version: u16,
    /// The handler's doc comment.
    pub description: &'static str,
    /// How long one call may take before its caller gets `timeout`.
    pub timeout: Duration,
    /// Who may call it.
    pub access: Access,
    /// Whether answering it twice is as good as once.
    pub is_idempotent: bool,
    /// Why callers should move on, if they should.
    pub deprecated: Option<&'static str>,
    /// What of a call is a stream.
    pub kind: Kind,
    /// How much it takes, as declared.
    pub limits: Limits,
    /// Whether its calls over the mesh are sealed.
    pub confidential: Confidential,
    /// Whether its handler ends when its caller leaves.
    pub is_cancelled_on_disconnect: bool,
}

impl CapabilityInfo {
    #[doc(hidden)]
    pub const fn new(name: &'static str, version: u16, description: &'static str, timeout_ms: u64) -> Self {
        Self {
            name,
            version,
            description,
            timeout: Duration::from_millis(timeout_ms),
            access: Access::Realm,
            is_idempotent: false,
            deprecated: None,
            kind: Kind::Unary,
            limits: Limits::DEFAULT,
            confidential: Confidential::Preferred,
            is_cancelled_on_disconnect: false,
        }
    }

    #[doc(hidden)]
    pub const fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    #[doc(hidden)]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    #[doc(hidden)]
    pub const fn confidential(mut self, confidential: Confidential) -> Self {
        self.confidential = confidential;
        self
    }

    #[doc(hidden)]
    pub const fn cancel_on_disconnect(mut self) -> Self {
        self.is_cancelled_on_disconnect = true;
        self
    }

    #[doc(hidden)]
    pub const fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    #[doc(hidden)]
    pub const fn idempotent(mut self) -> Self {
        self.is_idempotent = true;
        self
    }

    #[doc(hidden)]
    pub const fn deprecated(mut self, why: &'static str) -> Self {
        self.deprecated = Some(why);
        self
    }
}

impl fmt::Display for CapabilityInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}
