//! What stands between a caller and a handler: whether it may call, and how often.
//!
//! `warrant` is what a call comes with, `access` looks whether that is enough, `rate` counts. Apart from
//! `dispatch`, which asks them in the order of its stages.

pub(crate) mod access;
pub(crate) mod limits;
#[cfg(any(feature = "macula", test))]
pub(crate) mod rate;
pub(crate) mod warrant;

pub use self::limits::{Limits, Rate};
