//! The Macula mesh: the one module that knows its SDK.

pub(crate) mod link;
pub(crate) mod metadata;
pub(crate) mod outbound;
pub(crate) mod value;
