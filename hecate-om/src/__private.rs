//! What generated code names. Not an interface: it changes without notice.

pub use {inventory, schemars, serde, serde_json};

use std::sync::Arc;

pub use crate::capability::{
    Call, Capability, CapabilityError, CapabilityInfo, Handlers, Refusal, RefusalCode, Reply, Request,
};
pub use crate::context::Context;
pub use crate::contract::check as check_contract;
pub use crate::health::Health;
pub use crate::registry::Registration;
pub use crate::service::{Callback, IdentitySpec, Service, ServiceInfo, Shared, StartError};

pub use hecate_om_macros::told_capability;

/// What is known of a service whose block has errors.
pub static NO_SERVICE: ServiceInfo =
    ServiceInfo::new("", "", "", "", "", &[], IdentitySpec::new("", &[], &[], 1), 1, "");

/// The bytes of a manifest record before its text: the magic, then the length as a little-endian u32.
const RECORD_HEADER: usize = 16;
const RECORD_MAGIC: &[u8; 12] = b"hecate-om\0\0\x01";

/// The length of the record of `text`.
pub const fn record_len(text: &str) -> usize {
    RECORD_HEADER + text.len()
}

/// A record for a section of the binary: linkers pad between records, so each says how long it is.
///
/// # Panics
/// At compile time only, when `N` is not `record_len(text)`.
pub const fn record<const N: usize>(text: &str) -> [u8; N] {
    let (text, mut bytes) = (text.as_bytes(), [0; N]);
    assert!(N == RECORD_HEADER + text.len() && text.len() <= u32::MAX as usize);
    let mut at = 0;
    while at < RECORD_MAGIC.len() {
        bytes[at] = RECORD_MAGIC[at];
        at += 1;
    }
    let len = (text.len() as u32).to_le_bytes();
    while at < RECORD_HEADER {
        bytes[at] = len[at - RECORD_MAGIC.len()];
        at += 1;
    }
    while at < N {
        bytes[at] = text[at - RECORD_HEADER];
        at += 1;
    }
    bytes
}

/// Keeps a record in the binary exactly when the code that calls this is kept.
pub fn keep(record: &'static [u8]) {
    std::hint::black_box(record);
}

/// A service that has no `start` of its own.
#[diagnostic::on_unimplemented(
    message = "service `{Self}` has no `start`",
    label = "this type cannot start by itself",
    note = "help: write `async fn start(context: Context<Self>) -> Result<Self, StartError>` in the block, or `#[derive(Default)]` above `{Self}`"
)]
pub trait StartsByDefault: Sized {
    /// The service.
    fn by_default() -> Self;
}

#[diagnostic::do_not_recommend]
impl<S: Default> StartsByDefault for S {
    fn by_default() -> Self {
        S::default()
    }
}

/// An error of `start`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of `start`",
    label = "this function returns `{Self}`, which is no error",
    note = "help: write `-> Result<Self, StartError>`; `?` makes one of any error, and so does `StartError::config(\"why\")`"
)]
pub trait StartFailure: Into<StartError> {}

#[diagnostic::do_not_recommend]
impl<E: Into<StartError>> StartFailure for E {}

/// What `start` does; its name is what an author reads when it keeps something across an `.await`
/// that cannot change threads.
pub fn start_must_be_send<S, E: StartFailure>(
    start: impl Future<Output = Result<S, E>> + Send + 'static,
) -> Callback<'static, Result<S, StartError>> {
    Box::pin(async { start.await.map_err(Into::into) })
}

/// A start that cannot fail.
pub fn started<S: Send + 'static>(service: S) -> Callback<'static, Result<S, StartError>> {
    Box::pin(std::future::ready(Ok(service)))
}

/// What `stop` does.
pub fn stop_must_be_send<'a>(stop: impl Future<Output = ()> + Send + 'a) -> Callback<'a, ()> {
    Box::pin(stop)
}

/// A stop that has nothing to do.
pub fn nothing_to_stop() -> Callback<'static, ()> {
    Box::pin(std::future::ready(()))
}

/// What `health` does.
pub fn health_must_be_send<'a>(health: impl Future<Output = Health> + Send + 'a) -> Callback<'a, Health> {
    Box::pin(health)
}

/// A health that is known at once.
pub fn told(health: Health) -> Callback<'static, Health> {
    Box::pin(std::future::ready(health))
}

/// Adds a handler that takes one request and gives one reply.
pub fn handler<S, R, T, E, Fut>(
    handlers: &mut Handlers<S>,
    run: impl Fn(Arc<S>, Call<S>, R) -> Fut + Copy + Send + Sync + 'static,
) where
    S: Service,
    R: Request,
    T: Reply,
    E: Refusal,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
{
    handlers.unary(run);
}

/// What a handler answers, where its signature does not spell it out.
#[diagnostic::on_unimplemented(
    message = "a Hecate capability must return a `Result`, found `{Self}`",
    label = "this is not a `Result`",
    note = "help: write `-> Result<{Self}>`, or `-> Result<{Self}, E>` with `#[derive(Refusal)] enum E`"
)]
pub trait Answer {
    /// What it answers with.
    type Reply;
}

#[diagnostic::do_not_recommend]
impl<T, E> Answer for Result<T, E> {
    type Reply = T;
}

/// What a handler returned, where its signature does not spell it out.
pub struct Returned<A>(pub A);

impl<T, E> Returned<Result<T, E>> {
    /// The `Result` that it is.
    ///
    /// # Errors
    /// What the handler returned.
    pub fn into_result(self) -> Result<T, E> {
        self.0
    }
}

/// Stands in where a handler returned no `Result`: that is told at its constant, once.
pub trait NoResult: Sized {
    /// Never runs.
    ///
    /// # Errors
    /// Never.
    fn into_result(self) -> Result<(), CapabilityError> {
        unreachable!("a service whose handler returns no `Result` does not compile")
    }
}

impl<A> NoResult for Returned<A> {}

/// A detail of a refusal.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a detail of a refusal",
    label = "this type cannot be sent to a caller",
    note = "help: write `#[message]` above `{Self}`, or derive `serde::Serialize` for it"
)]
pub trait Detail: serde::Serialize {}

#[diagnostic::do_not_recommend]
impl<T: serde::Serialize> Detail for T {}

/// One detail of a refusal.
pub fn detail<T: Detail>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A refusal with its details.
pub fn refuse<const N: usize>(
    code: &'static str,
    message: &'static str,
    details: [(&str, serde_json::Value); N],
) -> CapabilityError {
    let error = CapabilityError::refused(code, message);
    if N == 0 {
        return error;
    }
    error.with_details(details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
