//! How a service's own errors become refusals that callers can tell apart.

use super::CapabilityError;
use crate::client::CallError;

/// An error with which a handler refuses a call: derive it with `#[derive(Refusal)]`.
///
/// Each variant becomes a snake_case code, its doc comment the message, its named fields the
/// details. `#[refusal(transparent)]` passes another refusal on as it came.
///
/// ```
/// use hecate_om::prelude::*;
///
/// #[derive(Refusal)]
/// enum GreetRefusal {
///     /// Nobody to greet.
///     NoName,
///     /// The name is too long.
///     TooLong { limit: usize },
/// }
///
/// let error = GreetRefusal::TooLong { limit: 80 }.into_error();
/// assert_eq!(error.code(), "too_long");
/// assert_eq!(error.message(), "The name is too long.");
/// assert_eq!(error.details().unwrap()["limit"], 80);
/// # let _ = GreetRefusal::NoName;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a Hecate capability",
    label = "this error cannot refuse a call",
    note = "help: add `#[derive(Refusal)]` to an enum of your own, or return `CapabilityError`"
)]
pub trait Refusal: Send + 'static {
    /// What the caller gets.
    fn into_error(self) -> CapabilityError;

    /// The codes that it can refuse with; they stand in the contract.
    fn codes() -> Vec<RefusalCode>;
}

/// One code that a capability refuses with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RefusalCode {
    /// The snake_case code.
    pub code: &'static str,
    /// What it means.
    pub message: &'static str,
}

#[diagnostic::do_not_recommend]
impl Refusal for CapabilityError {
    fn into_error(self) -> CapabilityError {
        self
    }

    /// None: the codes of a plain [`CapabilityError`] are made at run time.
    fn codes() -> Vec<RefusalCode> {
        Vec::new()
    }
}

/// A call made by a handler that failed: a refusal goes on as it came, all else is `unavailable`.
#[diagnostic::do_not_recommend]
impl Refusal for CallError {
    fn into_error(self) -> CapabilityError {
        match self {
            CallError::Refused(error) => error,
            other => CapabilityError::unavailable(other.to_string()),
        }
    }

    fn codes() -> Vec<RefusalCode> {
        Vec::new()
    }
}
