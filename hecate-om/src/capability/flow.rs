//! Items of streams between their types and the wire.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;

use super::CapabilityError;
#[cfg(feature = "macula")]
use crate::mesh::value::{self, Value};

/// In which form a caller is answered: that in which it asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    #[cfg(feature = "macula")]
    Value,
}

/// One item of a stream, as it travels.
#[derive(Debug)]
pub(crate) enum Item {
    /// A JSON document.
    Json(Bytes),
    /// A value of the mesh.
    #[cfg(feature = "macula")]
    Value(Value),
}

impl Item {
    /// How many bytes it has as it travels.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Json(body) => body.len(),
            #[cfg(feature = "macula")]
            Self::Value(value) => value::size(value),
        }
    }
}

/// Items one after the other. An error is the last of them.
pub(crate) type Items = Pin<Box<dyn Stream<Item = Result<Item, CapabilityError>> + Send>>;

/// The items that a caller sends.
pub(crate) struct Incoming {
    pub(crate) encoding: Encoding,
    pub(crate) items: Items,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incoming({:?})", self.encoding)
    }
}
