//! What a caller's types must be able to do, which only calling asks for.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::capability::{CapabilityError, json};
#[cfg(feature = "macula")]
use crate::mesh::value::{self, Value};

/// A request that can be sent: what [`Request`](crate::Request) asks of a provider, from the other side.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as a request",
    label = "this type cannot be written for a call",
    note = "help: write `#[message]` above `{Self}`, or derive `serde::Serialize` for it"
)]
pub trait CallRequest: Serialize + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<R: Serialize + Send + 'static> CallRequest for R {}

/// A reply that can be read: what [`Reply`](crate::Reply) asks of a provider, from the other side.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read as a reply",
    label = "this type cannot be read from an answer",
    note = "help: write `#[message]` above `{Self}`, or derive `serde::Deserialize` for it"
)]
pub trait CallReply: DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + Send + 'static> CallReply for T {}

/// A request without its type, to be written in the form of the place that it goes to.
pub(crate) trait Encode: Send {
    /// # Errors
    /// When it has no JSON form.
    fn json(&self) -> Result<Bytes, CapabilityError>;

    /// # Errors
    /// When the mesh cannot carry it.
    #[cfg(feature = "macula")]
    fn value(&self) -> Result<Value, CapabilityError>;
}

pub(super) struct Typed<R>(pub(super) R);

impl<R: CallRequest> Encode for Typed<R> {
    fn json(&self) -> Result<Bytes, CapabilityError> {
        json::encode(&self.0, json::UNKNOWN_SIZE)
    }

    #[cfg(feature = "macula")]
    fn value(&self) -> Result<Value, CapabilityError> {
        value::encode(&self.0).map_err(value::ValueError::of_request)
    }
}
