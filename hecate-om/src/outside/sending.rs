//! What goes into a call from outside.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use serde_json::Value;

use crate::capability::{CapabilityError, FromPoll, Kind};
use crate::client::{Encode, Sending as Erased, SentItems};
#[cfg(feature = "macula")]
use crate::mesh::value;

/// What is sent with a call.
pub enum Sending {
    /// One JSON document. To a capability that takes a stream it is the only item.
    One(String),
    /// One document after the other, for a capability that takes a stream; an error ends the call as one that
    /// cannot be made. To any other capability only the first is sent.
    Many(Pin<Box<dyn Stream<Item = Result<Value, String>> + Send>>),
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One(_) => "Sending::One(..)",
            Self::Many(_) => "Sending::Many(..)",
        })
    }
}

impl Sending {
    /// Many documents, each when `next` has it; none after the last.
    pub fn from_poll(
        next: impl FnMut(&mut Context<'_>) -> Poll<Option<Result<Value, String>>> + Send + Unpin + 'static,
    ) -> Self {
        Self::Many(Box::pin(FromPoll(next)))
    }

    pub(super) fn erased(self, kind: Kind) -> Erased {
        match self {
            Self::One(text) if kind.takes_stream() => {
                let mut item = Some(Box::new(Written(text)) as Box<dyn Encode>);
                let items: SentItems = Box::pin(FromPoll(move |_: &mut Context<'_>| Poll::Ready(item.take())));
                Erased::Many(items)
            }
            Self::One(text) => Erased::One(Box::new(Written(text))),
            Self::Many(mut items) => {
                let items: SentItems = Box::pin(FromPoll(move |context: &mut Context<'_>| {
                    let item = ready!(items.as_mut().poll_next(context));
                    Poll::Ready(item.map(|item| Box::new(Read(item)) as Box<dyn Encode>))
                }));
                Erased::Many(items)
            }
        }
    }
}

/// A document as it was written.
struct Written(String);

impl Encode for Written {
    fn json(&self) -> Result<Bytes, CapabilityError> {
        Ok(self.0.clone().into())
    }

    #[cfg(feature = "macula")]
    fn value(&self) -> Result<value::Value, CapabilityError> {
        // What is empty is `{}` on the box, too.
        let text = if self.0.trim().is_empty() { "{}" } else { &self.0 };
        let document: Value = serde_json::from_str(text)
            .map_err(|error| CapabilityError::invalid_request(format!("the request is no JSON: {error}")))?;
        value::encode(&document).map_err(value::ValueError::of_request)
    }
}

/// A document as it was read, or why there is none.
struct Read(Result<Value, String>);

impl Read {
    fn document(&self) -> Result<&Value, CapabilityError> {
        self.0.as_ref().map_err(|why| CapabilityError::invalid_request(why.clone()))
    }
}

impl Encode for Read {
    fn json(&self) -> Result<Bytes, CapabilityError> {
        Ok(self.document()?.to_string().into())
    }

    #[cfg(feature = "macula")]
    fn value(&self) -> Result<value::Value, CapabilityError> {
        value::encode(self.document()?).map_err(value::ValueError::of_request)
    }
}
