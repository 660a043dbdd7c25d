//! Takes the handlers of a service, and tells what is wrong with their types at the author's own tokens.

use std::sync::Arc;

use crate::capability::{Call, CapabilityError, Handlers, Refusal, Reply, Request};
use crate::service::Service;

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
