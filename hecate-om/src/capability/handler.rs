//! How a typed handler becomes one that the runtime can call without knowing its types.
//!
//! Types end here: everything past [`Bound`] is compiled once, in this crate, and not again for each
//! service.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::client::Calls;
#[cfg(feature = "macula")]
use crate::mesh::value::{self, Value};

use super::{
    Call, CallParts, CapabilityError, Encoding, FromPoll, Incoming, Item, Items, Refusal, RefusalCode, Reply,
    ReplyStream, Request, RequestStream, json,
};

/// What a caller sent, in the encoding in which it came.
#[derive(Debug)]
pub(crate) enum Input {
    /// A JSON document.
    Json(Bytes),
    /// A value of the mesh.
    #[cfg(feature = "macula")]
    Value(Value),
    /// A stream of either.
    Items(Incoming),
}

impl Input {
    /// How many bytes it has as it travels; a stream has none before its items.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Json(body) => body.len(),
            #[cfg(feature = "macula")]
            Self::Value(value) => value::size(value),
            Self::Items(_) => 0,
        }
    }
}

/// What goes back, in the encoding of the [`Input`].
pub(crate) enum Output {
    /// A JSON document.
    Json(Bytes),
    /// A value of the mesh.
    #[cfg(feature = "macula")]
    Value(Value),
    /// A stream of either.
    Items(Items),
}

impl Output {
    /// How many bytes it has as it travels; a stream has none before its items.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Json(body) => body.len(),
            #[cfg(feature = "macula")]
            Self::Value(value) => value::size(value),
            Self::Items(_) => 0,
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Output({} bytes)", self.size())
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

    /// Adds a handler that takes one request and gives many replies.
    pub fn server_stream<R, O, E, F, Fut>(&mut self, run: F)
    where
        R: Request,
        O: Reply,
        E: Refusal,
        F: Fn(Arc<S>, Call<S>, R) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<ReplyStream<O>, E>> + Send + 'static,
    {
        let erased: Erased<S> = Box::new(move |service, call, input| {
            Box::pin(async move {
                let encoding = Encoding::of(&input);
                let replies = run(service, call, read::<R>(input)?).await.map_err(Refusal::into_error)?;
                Ok(write_all(replies, encoding))
            })
        });
        self.entries.push((erased, HandlerContract::of::<R, O, E>()));
    }

    /// Adds a handler that takes many requests and gives one reply.
    pub fn client_stream<I, T, E, F, Fut>(&mut self, run: F)
    where
        I: Request,
        T: Reply,
        E: Refusal,
        F: Fn(Arc<S>, Call<S>, RequestStream<I>) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let erased: Erased<S> = Box::new(move |service, call, input| {
            Box::pin(async move {
                let (encoding, last_reply) = (Encoding::of(&input), call.last_reply());
                let reply = run(service, call, read_all::<I>(input)?).await.map_err(Refusal::into_error)?;
                write(&reply, encoding, last_reply)
            })
        });
        self.entries.push((erased, HandlerContract::of::<I, T, E>()));
    }

    /// Adds a handler that takes many requests and gives many replies.
    pub fn bidi<I, O, E, F, Fut>(&mut self, run: F)
    where
        I: Request,
        O: Reply,
        E: Refusal,
        F: Fn(Arc<S>, Call<S>, RequestStream<I>) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<ReplyStream<O>, E>> + Send + 'static,
    {
        let erased: Erased<S> = Box::new(move |service, call, input| {
            Box::pin(async move {
                let encoding = Encoding::of(&input);
                let replies = run(service, call, read_all::<I>(input)?).await.map_err(Refusal::into_error)?;
                Ok(write_all(replies, encoding))
            })
        });
        self.entries.push((erased, HandlerContract::of::<I, O, E>()));
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

impl Encoding {
    fn of(input: &Input) -> Self {
        match input {
            Input::Json(_) => Self::Json,
            #[cfg(feature = "macula")]
            Input::Value(_) => Self::Value,
            Input::Items(incoming) => incoming.encoding,
        }
    }
}

/// The request has what it needs of the input, which ends here.
fn read<R: Request>(input: Input) -> Result<R, CapabilityError> {
    match input {
        Input::Json(body) => json::decode::<R>(&body),
        #[cfg(feature = "macula")]
        Input::Value(value) => value::decode(value).map_err(value::ValueError::of_request),
        Input::Items(_) => Err(CapabilityError::invalid_request("this capability takes one request, not a stream")),
    }
}

/// The requests of a call, each read when the handler asks for it.
fn read_all<I: Request>(input: Input) -> Result<RequestStream<I>, CapabilityError> {
    let Input::Items(Incoming { mut items, .. }) = input else {
        return Err(CapabilityError::invalid_request("this capability takes a stream of requests, not one"));
    };
    let mut taken = 0_u64;
    let next = move |context: &mut Context<'_>| {
        let item = ready!(items.as_mut().poll_next(context));
        taken += 1;
        Poll::Ready(item.map(|item| read_item(item?).map_err(|error| error.in_item(taken))))
    };
    Ok(RequestStream::new(FromPoll(next)))
}

fn read_item<I: Request>(item: Item) -> Result<I, CapabilityError> {
    read(match item {
        Item::Json(body) => Input::Json(body),
        #[cfg(feature = "macula")]
        Item::Value(value) => Input::Value(value),
    })
}

/// The replies to a call, each written when it is asked for.
fn write_all<O: Reply>(replies: ReplyStream<O>, encoding: Encoding) -> Output {
    let mut replies = Box::pin(replies);
    let mut last = json::UNKNOWN_SIZE;
    let next = move |context: &mut Context<'_>| {
        let item = ready!(replies.as_mut().poll_next(context));
        let written = item.map(|reply| {
            let item = write_item(&reply?, encoding, last)?;
            last = item.size();
            Ok(item)
        });
        Poll::Ready(written)
    };
    Output::Items(Box::pin(FromPoll(next)))
}

fn write_item<O: Reply>(reply: &O, encoding: Encoding, last: usize) -> Result<Item, CapabilityError> {
    match encoding {
        Encoding::Json => json::encode(reply, last).map(Item::Json),
        #[cfg(feature = "macula")]
        Encoding::Value => value::encode(reply).map(Item::Value).map_err(value::ValueError::of_reply),
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
