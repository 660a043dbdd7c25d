//! Why a call has no reply, in words that say where it was looked for and what to do.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::trail::{Attempt, Attempts, rounded};
use crate::capability::CapabilityError;
use crate::node_id::NodeId;

/// Why a call has no reply.
///
/// What was tried on the way is in [`attempts`](Self::attempts); whether to try again says
/// [`is_retryable`](Self::is_retryable).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The service refused, or its runtime did: as it said so, wherever it is.
    #[error("{0}")]
    Refused(#[source] CapabilityError),
    /// The caller does not declare that it uses the capability; nothing was sent.
    #[error(
        "`{service}` does not declare that it uses `{capability}`; help: add `uses({declaration})` to its `#[hecate_service(...)]`"
    )]
    Undeclared {
        /// The service that calls.
        service: &'static str,
        /// What it calls, `<org>/<name>@<version>`.
        capability: String,
        /// What declares it, `"<org>/<name>" = <version>`.
        declaration: String,
    },
    /// As many calls as there may be led to this one, so they probably go round in a circle; nothing
    /// was sent.
    #[error("`{capability}` would be the call number {} of a chain; they seem to call each other for ever", .most + 2)]
    TooManyHops {
        /// What is called, `<org>/<name>@<version>`.
        capability: String,
        /// How many calls may lead to one.
        most: u8,
    },
    /// Nobody provides the capability, as far as this service can see.
    #[error("nobody provides `{capability}`: {}{}", .looked, tail(.attempts))]
    NoProvider {
        /// What is called, `<org>/<name>@<version>`.
        capability: String,
        /// Where it was looked for, and what to do.
        looked: String,
        /// What was tried.
        attempts: Attempts,
    },
    /// Nobody provides the capability on this box, and the mesh cannot be asked.
    #[error("nobody provides `{capability}` on this box, and this service is not on the mesh{}{}", listed(.causes), tail(.attempts))]
    NotOnMesh {
        /// What is called, `<org>/<name>@<version>`.
        capability: String,
        /// Why there is no link.
        causes: Vec<String>,
        /// What was tried.
        attempts: Attempts,
    },
    /// The node that the call is pinned to does not provide the capability.
    #[error("node {node} does not advertise `{capability}`{}", tail(.attempts))]
    PinNotFound {
        /// What is called, `<org>/<name>@<version>`.
        capability: String,
        /// The node.
        node: NodeId,
        /// What was tried.
        attempts: Attempts,
    },
    /// There are providers, and none took the call: it was not made.
    #[error("no provider of `{capability}` could be reached{}", tail(.attempts))]
    NotReached {
        /// What is called, `<org>/<name>@<version>`.
        capability: String,
        /// What was tried.
        attempts: Attempts,
    },
    /// There was no reply in time; the call may have been done or not.
    #[error("`{capability}` did not answer within {}{}", rounded(*.after), tail(.attempts))]
    Timeout {
        /// What is called, `<org>/<name>@<version>`.
        capability: String,
        /// How long it was waited for.
        after: Duration,
        /// What was tried.
        attempts: Attempts,
    },
    /// Nobody listens at the socket.
    #[error("no service answers at {}", .socket.display())]
    Unreachable {
        /// Where it was looked for.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection ended before the reply; the call may have been done or not.
    #[error("the connection ended before the reply")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
    /// The request cannot be sent as it is; nothing was.
    #[error("the request cannot be sent")]
    Request(#[source] CapabilityError),
    /// The reply is not what the capability promises.
    #[error("the reply is not what the capability promises")]
    Reply(#[source] CapabilityError),
}

fn tail(attempts: &Attempts) -> String {
    if attempts.as_slice().is_empty() { String::new() } else { format!("; {attempts}") }
}

fn listed(causes: &[String]) -> String {
    causes.iter().map(|cause| format!("; {cause}")).collect()
}

/// A call whose outcome nobody knows.
#[derive(Debug, Error)]
#[error("{why}; the call may have been done or not; {attempts}")]
pub(crate) struct Lost {
    pub(crate) why: String,
    pub(crate) attempts: Attempts,
}

impl CallError {
    pub(crate) fn lost(why: String, attempts: Attempts) -> Self {
        Self::Broken(Box::new(Lost { why, attempts }))
    }

    /// The code that the service refused with, if it was reached; `undeclared` and `too_many_hops` where
    /// this side refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            CallError::Undeclared { .. } => Some("undeclared"),
            CallError::TooManyHops { .. } => Some("too_many_hops"),
            other => other.refusal().map(CapabilityError::code),
        }
    }

    /// What the service refused with, if it was reached.
    pub fn refusal(&self) -> Option<&CapabilityError> {
        match self {
            CallError::Refused(error) => Some(error),
            _ => None,
        }
    }

    /// What was tried, in order: the last sixteen attempts. None where nothing was sent.
    pub fn attempts(&self) -> &[Attempt] {
        match self {
            CallError::NoProvider { attempts, .. }
            | CallError::NotOnMesh { attempts, .. }
            | CallError::PinNotFound { attempts, .. }
            | CallError::NotReached { attempts, .. }
            | CallError::Timeout { attempts, .. } => attempts.as_slice(),
            CallError::Broken(error) => error.downcast_ref::<Lost>().map_or(&[], |lost| lost.attempts.as_slice()),
            // They keep it as their cause.
            CallError::Refused(error) | CallError::Reply(error) => {
                let kept = error.source().and_then(|source| source.downcast_ref::<Attempts>());
                kept.map_or(&[], Attempts::as_slice)
            }
            CallError::Undeclared { .. }
            | CallError::TooManyHops { .. }
            | CallError::Unreachable { .. }
            | CallError::Request(_) => &[],
        }
    }

    /// Whether the same call may succeed a little later. After [`Timeout`](Self::Timeout) and
    /// [`Broken`](Self::Broken) it may also be done twice.
    pub fn is_retryable(&self) -> bool {
        match self {
            CallError::Refused(error) => error.is_retryable(),
            CallError::NoProvider { .. }
            | CallError::NotOnMesh { .. }
            | CallError::NotReached { .. }
            | CallError::Timeout { .. }
            | CallError::Unreachable { .. }
            | CallError::Broken(_) => true,
            CallError::Undeclared { .. }
            | CallError::TooManyHops { .. }
            | CallError::PinNotFound { .. }
            | CallError::Request(_)
            | CallError::Reply(_) => false,
        }
    }
}
