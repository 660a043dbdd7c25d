//! What a handler may know of the call that it answers.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::Deadline;
use super::trace::{CallerTrace, Trace};
use crate::client::Calls;
use crate::node_id::NodeId;

/// How many calls may lead to one, so that services which call each other in a circle find an end.
pub(crate) const MAX_HOPS: u8 = 16;

/// The call that a handler of service `S` answers: who calls, by which way, and until when.
///
/// ```
/// # use hecate_om::prelude::*;
/// # #[derive(Default)] struct Greeter;
/// # #[hecate_service(name = "hecate-greeter")]
/// # impl Greeter {
/// /// Tells how long the caller still waits.
/// #[capability(version = 1)]
/// async fn patience(&self, call: &Call<Self>) -> Result<()> {
///     let _left = call.time_left();
///     Ok(())
/// }
/// # }
/// ```
pub struct Call<S> {
    parts: CallParts,
    calls: Arc<Calls>,
    service: PhantomData<fn() -> S>,
}

impl<S> Call<S> {
    pub(crate) fn new(parts: CallParts, calls: Arc<Calls>) -> Self {
        Self { parts, calls, service: PhantomData }
    }

    /// The calls that the handler makes in its turn.
    pub(crate) fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Names this call in logs and in the errors that its caller sees.
    pub fn id(&self) -> CallId {
        self.parts.id
    }

    /// How many bytes the last reply of this capability had.
    pub(super) fn last_reply(&self) -> usize {
        self.parts.last_reply
    }

    /// Who calls: never what a caller says of itself.
    ///
    /// Of a process on this box it is the user, for whom the kernel vouches; of a service in this process
    /// its name; of a node of the mesh its id, whose signature on the call was verified. By then the
    /// caller has passed the capability's `access`.
    pub fn caller(&self) -> &Caller {
        &self.parts.caller
    }

    /// The way by which the call came.
    pub fn via(&self) -> Via {
        self.parts.via
    }

    /// The trace that the call belongs to: the caller's, or one that begins here.
    pub fn trace(&self) -> Trace {
        Trace::of(self.parts.id, self.parts.trace.as_deref())
    }

    /// How many calls led to this one: none where no other service's call caused it, at most 16.
    pub fn hops(&self) -> u8 {
        self.parts.hops
    }

    /// When the caller gets `timeout` and the handler is dropped. Of a call that streams it moves on with
    /// each item.
    pub fn deadline(&self) -> std::time::Instant {
        self.parts.deadline.at().into_std()
    }

    /// What is left until the deadline; zero when it has passed.
    pub fn time_left(&self) -> Duration {
        self.parts.deadline.at().saturating_duration_since(Instant::now())
    }
}

impl<S> fmt::Debug for Call<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(&self.parts).finish()
    }
}

/// A call before it is known which service's type answers it.
#[derive(Debug, Clone)]
pub(crate) struct CallParts {
    pub(crate) id: CallId,
    pub(crate) caller: Caller,
    pub(crate) via: Via,
    pub(crate) deadline: Deadline,
    /// How many calls led to this one; the first that nobody's call caused has none.
    pub(crate) hops: u8,
    /// What the caller said of its trace, if anything.
    pub(crate) trace: Option<Arc<CallerTrace>>,
    /// How many bytes the last reply of this capability had.
    pub(crate) last_reply: usize,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caller {
    /// A process on this box; the kernel vouches for its user id.
    Local {
        /// The user id of the process.
        uid: u32,
    },
    /// A service in this process.
    Service {
        /// Its name.
        name: &'static str,
    },
    /// A node of the mesh; its signature on the call was verified.
    Node {
        /// The node.
        id: NodeId,
    },
}

/// For people and logs: `user 1000`, `service hecate-parrot`, `node <64 hex>`.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::Local { uid } => write!(f, "user {uid}"),
            Caller::Service { name } => write!(f, "service {name}"),
            Caller::Node { id } => write!(f, "node {id}"),
        }
    }
}

/// The way by which a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Via {
    /// From a service in the same process.
    Process,
    /// Through the service's Unix socket, from this box.
    Box,
    /// Over the mesh.
    Mesh,
}

/// `process`, `box`, `mesh`.
impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Via::Process => "process",
            Via::Box => "box",
            Via::Mesh => "mesh",
        })
    }
}

/// Names one call: unique among all calls of a process, and unlike those of its earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId(u64);

impl CallId {
    /// The next id: a counter, because a call must not pay for randomness.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// What sets this call apart from others of this process.
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        static RUN: LazyLock<u64> = LazyLock::new(|| {
            let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (u64::from(std::process::id()) << 40) ^ u64::try_from(started.as_micros()).unwrap_or_default()
        });
        write!(f, "{:012x}-{:x}", *RUN & 0xffff_ffff_ffff, self.0)
    }
}
