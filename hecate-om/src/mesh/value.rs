//! Messages as values of the mesh, and back.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::capability::CapabilityError;

pub(crate) use macula_rust::cbor::Value;

/// Why a message cannot be carried, and where in it.
#[derive(Debug, Error)]
#[error("{path}: {what}")]
pub(crate) struct ValueError {
    path: String,
    what: String,
}

impl ValueError {
    /// What the caller of a capability gets for its request.
    pub(crate) fn of_request(self) -> CapabilityError {
        CapabilityError::invalid_request(self.to_string())
    }

    /// What the caller gets for a reply that cannot be carried.
    pub(crate) fn of_reply(self) -> CapabilityError {
        CapabilityError::internal(self)
    }
}

/// A message as a value.
///
/// # Errors
/// When something in it cannot be carried.
pub(crate) fn encode<T: Serialize + ?Sized>(_message: &T) -> Result<Value, ValueError> {
    Err(ValueError { path: String::new(), what: "values are not carried yet".to_owned() })
}

/// The message that a value stands for.
///
/// # Errors
/// When it is not such a message.
pub(crate) fn decode<T: DeserializeOwned>(_value: Value) -> Result<T, ValueError> {
    Err(ValueError { path: String::new(), what: "values are not carried yet".to_owned() })
}

/// How many bytes a value has as it travels.
pub(crate) fn size(_value: &Value) -> usize {
    0
}
