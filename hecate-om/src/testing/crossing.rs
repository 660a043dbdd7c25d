//! What a test sends also crosses the encoding of the mesh, so that what the mesh cannot carry fails at a desk.

use std::task::Context;

use bytes::Bytes;
use futures_core::Stream;
use serde::de::DeserializeOwned;

#[cfg(feature = "macula")]
use super::carried;
use crate::capability::{CapabilityError, FromPoll, json};
use crate::client::{CallRequest, Encode, Sends};
#[cfg(feature = "macula")]
use crate::mesh::value::{self, Value};

/// A request that goes through the encoding of the mesh before it is sent.
pub(super) struct Crossing<R>(pub(super) R);

impl<R: CallRequest + DeserializeOwned> Encode for Crossing<R> {
    fn json(&self) -> Result<Bytes, CapabilityError> {
        #[cfg(feature = "macula")]
        carried::across(&self.0).map_err(|error| error.of("request"))?;
        json::encode(&self.0, json::UNKNOWN_SIZE)
    }

    #[cfg(feature = "macula")]
    fn value(&self) -> Result<Value, CapabilityError> {
        value::encode(&self.0).map_err(value::ValueError::of_request)
    }
}

pub(super) fn crossing<I: CallRequest + DeserializeOwned>(items: impl Stream<Item = I> + Send + 'static) -> Sends {
    let mut items = Box::pin(items);
    Sends::Many(Box::pin(FromPoll(move |context: &mut Context<'_>| {
        let item = items.as_mut().poll_next(context);
        item.map(|item| item.map(|item| Box::new(Crossing(item)) as Box<dyn Encode>))
    })))
}
