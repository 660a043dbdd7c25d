//! Calls the callbacks of a service. The names are what an author reads when a bound does not hold.

use crate::health::Health;
use crate::service::{Callback, StartError};

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
