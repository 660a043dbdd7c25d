//! How a typed handler becomes one that the runtime can call without knowing its types.
//!
//! Types end here: everything past [`Bound`] is compiled once, in this crate, and not again for each
//! service.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::client::Calls;
#[cfg(feature = "macula")]
use crate::mesh::value::{self, Value};

use super::{Call, CallParts, CapabilityError, Refusal, RefusalCode, Reply, Request, json};

/// What a caller sent, in the encoding in which it came. Streams become variants.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum Input {
    /// A JSON document.
    Json(Bytes),
    /// A value of the mesh.
    #[cfg(feature = "macula")]
    Value(Value),
}

impl Input {
    /// How many bytes it has as it travels.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Json(body) => body.len(),
            #[cfg(feature = "macula")]
            Self::Value(value) => value::size(value),
        }
    }
}

/// What goes back, in the encoding of the [`Input`].
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum Output {
    /// A JSON document.
    Json(Bytes),
    /// A value of the mesh.
    #[cfg(feature = "macula")]
    Value(Value),
}

impl Output {
    /// How many bytes it has as it travels.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Json(body) => body.len(),
            #[cfg(feature = "macula")]
            Self::Value(value) => value::size(value),
        }
    }
}

/// One call being answered.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Output, CapabilityError>> + Send>>;

type Erased<S> = Box<dyn Fn(Arc<S>, Call<S>, Input) -> Answering + Send + Sync>;

/// The handlers of service `S`, in the order of its capabilities.
#[doc(hidden)]
pub struct Handlers<S> {
    entries: Vec<(Erased<S>, HandlerContract)>,
}

impl<S: Send + Sync + 'static> Handlers<S> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Adds a handler that takes one request and gives one reply.
    pub fn unary<R, T, E, F, Fut>(&mut self, run: F)
    where
        R: Request,
        T: Reply,
        E: Refusal,
        F: Fn(Arc<S>, Call<S>, R) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let erased: Erased<S> = Box::new(move |service, call, input| {
            Box::pin(async move {
                let encoding = Encoding::of(&input);
                let last_reply = call.last_reply();
                let request = read::<R>(input)?;
                match run(service, call, request).await {
                    Ok(reply) => write(&reply, encoding, last_reply),
                    Err(refusal) => Err(refusal.into_error()),
                }
            })
        });
        self.entries.push((erased, HandlerContract::of::<R, T, E>()));
    }

    pub(crate) fn contracts(self) -> Vec<HandlerContract> {
        self.entries.into_iter().map(|(_, contract)| contract).collect()
    }

    /// Ties the handlers to a service, and to the calls that they make in their turn.
    pub(crate) fn bind(self, service: &Arc<S>, calls: &Arc<Calls>) -> Vec<Bound> {
        let bind = |(erased, _): (Erased<S>, HandlerContract)| {
            let (service, calls) = (Arc::clone(service), Arc::clone(calls));
            Bound(Box::new(move |parts, input| {
                erased(Arc::clone(&service), Call::new(parts, Arc::clone(&calls)), input)
            }))
        };
        self.entries.into_iter().map(bind).collect()
    }
}

/// In which form a caller is answered: that in which it asked.
#[derive(Clone, Copy)]
enum Encoding {
    Json,
    #[cfg(feature = "macula")]
    Value,
}

impl Encoding {
    fn of(input: &Input) -> Self {
        match input {
            Input::Json(_) => Self::Json,
            #[cfg(feature = "macula")]
            Input::Value(_) => Self::Value,
        }
    }
}

/// The request has what it needs of the input, which ends here.
fn read<R: Request>(input: Input) -> Result<R, CapabilityError> {
    match input {
        Input::Json(body) => json::decode::<R>(&body),
        #[cfg(feature = "macula")]
        Input::Value(value) => value::decode(value).map_err(value::ValueError::of_request),
    }
}

fn write<T: Reply>(reply: &T, encoding: Encoding, last_reply: usize) -> Result<Output, CapabilityError> {
    match encoding {
        Encoding::Json => json::encode(reply, last_reply).map(Output::Json),
        #[cfg(feature = "macula")]
        Encoding::Value => value::encode(reply).map(Output::Value).map_err(value::ValueError::of_reply),
    }
}

/// A handler with the service it belongs to.
pub(crate) struct Bound(Box<dyn Fn(CallParts, Input) -> Answering + Send + Sync>);

impl Bound {
    pub(crate) fn answer(&self, parts: CallParts, input: Input) -> Answering {
        (self.0)(parts, input)
    }
}

/// The types of a handler, as schemas to be made when somebody asks.
#[derive(Clone, Copy)]
pub(crate) struct HandlerContract {
    pub(crate) request: fn(&mut SchemaGenerator) -> Schema,
    pub(crate) reply: fn(&mut SchemaGenerator) -> Schema,
    pub(crate) refusals: fn() -> Vec<RefusalCode>,
}

impl HandlerContract {
    fn of<R: JsonSchema + 'static, T: JsonSchema + 'static, E: Refusal>() -> Self {
        Self { request: json::schema::<R>, reply: json::schema::<T>, refusals: E::codes }
    }
}
