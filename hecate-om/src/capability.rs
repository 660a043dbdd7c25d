//! What a capability is: its typed address, what is known of it at compile time, and the types that
//! its handler meets. Apart from `dispatch`, which runs handlers, and from `local`, which brings calls in.

mod call;
pub(crate) mod current;
mod error;
mod handler;
pub(crate) mod json;
mod message;
mod refusal;
pub(crate) mod trace;

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

pub(crate) use call::CallParts;
pub use call::{Call, CallId, Caller, Via};
pub(crate) use error::RETRY_AFTER;
pub use error::{CapabilityError, ErrorCode};
pub use handler::Handlers;
pub(crate) use handler::{Answering, Bound, HandlerContract, Input, Output};
pub use message::{Reply, Request};
pub use refusal::{Refusal, RefusalCode};
pub use trace::{Trace, TraceId};

/// The typed address of one capability of service `S`: `#[capability]` makes one for each handler.
///
/// A caller, a test and later `uses(...)` take it; it is two words and a number, so copy it freely.
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
    name: &'static str,
    version: u16,
    types: PhantomData<fn(S, R) -> T>,
}

impl<S, R, T> Capability<S, R, T> {
    #[doc(hidden)]
    pub const fn new(name: &'static str, version: u16) -> Self {
        Self { name, version, types: PhantomData }
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
    /// Why callers should move on, if they should.
    pub deprecated: Option<&'static str>,
}

impl CapabilityInfo {
    #[doc(hidden)]
    pub const fn new(name: &'static str, version: u16, description: &'static str, timeout_ms: u64) -> Self {
        Self { name, version, description, timeout: Duration::from_millis(timeout_ms), deprecated: None }
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
