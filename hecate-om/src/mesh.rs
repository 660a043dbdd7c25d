//! The Macula mesh: the one module that knows its SDK.

pub(crate) mod access;
pub(crate) mod link;
pub(crate) mod value;
