//! How a service's own errors become refusals that callers can tell apart.

use super::{CapabilityError, ErrorCode};
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

/// A call made by a handler that failed. What the callee refused with goes on as it came; that it did
/// not take the call at all is `unavailable` here, where the call was taken. So is what may be better
/// soon; what will not, this service has to answer for: `internal`.
#[diagnostic::do_not_recommend]
impl Refusal for CallError {
    fn into_error(self) -> CapabilityError {
        match self {
            CallError::Refused(error) if error.is_not_taken() => error.recoded(ErrorCode::Unavailable),
            CallError::Refused(error) => error,
            // The chain of calls ends with this name at each of its callers.
            CallError::TooManyHops { .. } => {
                CapabilityError::new(ErrorCode::from_wire("too_many_hops".to_owned()), self.to_string())
            }
            CallError::NoProvider { .. }
            | CallError::NotOnMesh { .. }
            | CallError::NotReached { .. }
            | CallError::PinNotFound { .. }
            | CallError::Unreachable { .. } => CapabilityError::unavailable(self.to_string()),
            // To make it again may do twice what was asked for once.
            CallError::Timeout { .. } | CallError::Broken(_) => {
                CapabilityError::new(ErrorCode::Unavailable, self.to_string())
            }
            CallError::Undeclared { .. } => {
                CapabilityError::new(ErrorCode::from_wire("undeclared".to_owned()), self.to_string())
            }
            CallError::Request(_) | CallError::Reply(_) => CapabilityError::internal(self),
        }
    }

    fn codes() -> Vec<RefusalCode> {
        Vec::new()
    }
}
