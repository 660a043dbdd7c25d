//! What stands between a caller and a handler: whether it may call, and how often.
//!
//! `warrant` is what a call comes with, `access` looks whether that is enough, `limits` are what is declared,
//! `in_effect` what holds of them now, `change` what may become of that, `rate` counts. Apart from `dispatch`,
//! which asks them in the order of its stages.

pub(crate) mod access;
pub(crate) mod change;
pub(crate) mod in_effect;
pub(crate) mod limits;
#[cfg(any(feature = "macula", test))]
pub(crate) mod rate;
pub(crate) mod warrant;

pub use self::limits::{Limits, Rate};
