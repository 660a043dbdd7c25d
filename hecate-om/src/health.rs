//! How a service says that it is well, what is remembered of that, and who is told.

pub(crate) mod board;
pub(crate) mod check;
pub(crate) mod endpoint;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod monitor;
pub(crate) mod pulse;
mod report;
mod routes;

use std::borrow::Cow;

pub use self::check::CheckError;
#[cfg(test)]
pub(crate) use self::report::MAX_BODY;

/// What it means for a service when one of its checks fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impact {
    /// The service cannot do its job: it is down, and not ready for calls.
    Critical,
    /// The service does its job less well: it is degraded, and ready.
    Degrading,
    /// Good to know: shown, and no more.
    Info,
}

/// How a service feels: what its `health` callback returns.
///
/// ```
/// # use hecate_om::prelude::*;
/// fn health(free_percent: u8) -> Health {
///     match free_percent {
///         0 => Health::down("the disk is full"),
///         1..10 => Health::degraded("the disk is nearly full"),
///         _ => Health::Ok,
///     }
/// }
/// assert_eq!(health(50), Health::Ok);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It does its job.
    Ok,
    /// It does its job, though not as well as it should, for this reason. Still ready for calls.
    Degraded(Cow<'static, str>),
    /// It cannot do its job, for this reason. Not ready for calls; never a cause to restart it.
    Down(Cow<'static, str>),
}

impl Health {
    /// [`Health::Degraded`] with a reason.
    pub fn degraded(reason: impl Into<Cow<'static, str>>) -> Self {
        Health::Degraded(reason.into())
    }

    /// [`Health::Down`] with a reason.
    pub fn down(reason: impl Into<Cow<'static, str>>) -> Self {
        Health::Down(reason.into())
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Health::Ok => None,
            Health::Degraded(reason) | Health::Down(reason) => Some(reason),
        }
    }
}
