//! Streams at a service of this box: a connection for each, which ends with it.
//!
//! Items are sent when the service says that it takes them, so that one that turns the call away has taken
//! none, and another may be asked.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::CallError;
use super::calls::{Place, refused, timed_out};
use super::http::{Failure, request, whole};
use super::local::{Headers, Unsent, read};
use super::message::Encode;
use super::open::{Open, Opened, Received, ReceivedItems, Sending, SentItems};
use crate::capability::{CapabilityError, ErrorCode, FromPoll, Item, Output, Via};
use crate::dispatch::MAX_REPLY;
use crate::local::lines::{Lines, NoLine, put_line};
use crate::local::stream::{InBand, NDJSON};

/// A stream that ended in the middle, so that nobody knows what else there was.
#[derive(Debug, Error)]
#[error("the stream was cut off after {items} items")]
struct CutOff {
    items: u64,
    source: Failure,
}

/// A body in pieces, each made when the one before was taken.
pub(crate) type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// What a request carries.
pub(super) type Carried = Either<Full<Bytes>, Sent>;

/// The body of a request that streams.
pub(super) struct Sent {
    pieces: Pieces,
    /// Until the service says that it takes them.
    asked: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Whether something was given that hyper may not have written.
    is_given: bool,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if let Some(asked) = &mut self.asked {
            ready!(asked.as_mut().poll(context));
            self.asked = None;
        }
        // hyper would ask on and on before it writes anything.
        if std::mem::take(&mut self.is_given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = ready!(self.pieces.as_mut().poll_next(context));
        self.is_given = true;
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}

/// A request for a capability, and what says that its items are taken.
pub(super) struct Asking {
    request: Request<Carried>,
    is_taken: CancellationToken,
}

impl Asking {
    pub(super) fn one(path: &str, body: Bytes) -> Result<Self, Failure> {
        let request = request(Method::POST, path, body)?;
        Ok(Self { request: request.map(Either::Left), is_taken: CancellationToken::new() })
    }

    pub(super) fn many(path: &str, pieces: Pieces) -> Result<Self, Failure> {
        let Self { request, is_taken } = Self::one(path, Bytes::new())?;
        let asked = Some(Box::pin(is_taken.clone().cancelled_owned()));
        let mut request = request.map(|_| Either::Right(Sent { pieces, asked, is_given: false }));
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
        request.headers_mut().insert(EXPECT, HeaderValue::from_static("100-continue"));
        let told = is_taken.clone();
        hyper::ext::on_informational(&mut request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                told.cancel();
            }
        });
        Ok(Self { request, is_taken })
    }

    /// The same, for a capability that answers with a stream.
    pub(super) fn for_lines(mut self) -> Self {
        self.headers_mut().insert(ACCEPT, HeaderValue::from_static(NDJSON));
        self
    }

    pub(super) fn headers_mut(&mut self) -> &mut hyper::HeaderMap {
        self.request.headers_mut()
    }

    /// The answer of the service, on a connection of its own.
    pub(super) async fn of(self, socket: UnixStream) -> Result<Heard, Unsent> {
        let Self { request, is_taken } = self;
        let perhaps = |error: Failure| Unsent::Perhaps(error.to_string());
        let (mut sender, connection) = connect(socket).await.map_err(|error| Unsent::Nothing(error.to_string()))?;
        let response: Response<Incoming> = match sender.try_send_request(request).await {
            Ok(response) => response,
            Err(error) if error.message().is_some() => return Err(Unsent::Nothing(error.into_error().to_string())),
            Err(error) => return Err(Unsent::Perhaps(error.into_error().to_string())),
        };
        if response.status().is_success() {
            is_taken.cancel();
            if response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == NDJSON) {
                return Ok(Heard::Stream(response.into_body(), connection));
            }
        }
        let (status, body) = whole(response).await.map_err(perhaps)?;
        Ok(Heard::Whole(status, body))
    }
}

/// What a service answered.
pub(super) enum Heard {
    Whole(StatusCode, Bytes),
    Stream(Incoming, Connection),
}

/// A connection that is closed when this is dropped, whatever is on its way.
pub(super) struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn connect(socket: UnixStream) -> Result<(SendRequest<Carried>, Connection), Failure> {
    let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    Ok((sender, Connection(tokio::spawn(connection).abort_handle())))
}

/// The items of a call, of which a service that takes none leaves all.
#[derive(Clone)]
pub(super) struct Outgoing(Arc<Mutex<Held>>);

struct Held {
    items: SentItems,
    is_taken: bool,
    /// Why there are no more that should be there.
    failed: Option<CapabilityError>,
}

impl Outgoing {
    pub(super) fn of(items: SentItems) -> Self {
        Self(Arc::new(Mutex::new(Held { items, is_taken: false, failed: None })))
    }

    /// The items as a body.
    pub(super) fn pieces(&self) -> Pieces {
        let held = self.clone();
        Box::pin(FromPoll(move |context: &mut Context<'_>| held.held().poll_piece(context)))
    }

    /// The items, if none of them was taken.
    fn untouched(&self) -> Option<SentItems> {
        let mut held = self.held();
        let none: SentItems = Box::pin(FromPoll(|_: &mut Context<'_>| Poll::Ready(None)));
        (!held.is_taken).then(|| std::mem::replace(&mut held.items, none))
    }

    /// What kept the next item from being sent.
    pub(super) fn failed(&self) -> Option<CapabilityError> {
        self.held().failed.take()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        self.is_taken = true;
        let Some(item) = ready!(self.items.as_mut().poll_next(context)) else { return Poll::Ready(None) };
        Poll::Ready(Some(match item.json() {
            Ok(document) => {
                let mut line = Vec::with_capacity(document.len() + 1);
                put_line(&document, &mut line);
                line.push(b'\n');
                Ok(line.into())
            }
            Err(error) => {
                let told = error.to_string();
                self.failed = Some(error);
                Err(told.into())
            }
        }))
    }
}

/// The replies of a stream, each read when it is asked for.
pub(super) fn received(body: Incoming, connection: Connection, outgoing: Option<Outgoing>) -> ReceivedItems {
    let mut lines = Lines::of(body, MAX_REPLY);
    let mut items = 0_u64;
    let next = move |context: &mut Context<'_>| {
        let _kept = &connection;
        let line = ready!(lines.poll_next(context));
        Poll::Ready(line.map(|line| match line {
            Ok(line) => match InBand::read(&line) {
                Some(error) => Err(CallError::Refused(error)),
                None => {
                    items += 1;
                    Ok(Item::Json(line))
                }
            },
            Err(NoLine::TooLong) => {
                let message = format!("an item is larger than {MAX_REPLY} bytes");
                Err(CallError::Reply(CapabilityError::new(ErrorCode::PayloadTooLarge, message)))
            }
            Err(NoLine::Broken(error)) => Err(match outgoing.as_ref().and_then(Outgoing::failed) {
                Some(error) => CallError::Request(error),
                None => CallError::Broken(Box::new(CutOff { items, source: error.into() })),
            }),
        }))
    };
    Box::pin(FromPoll(next))
}

/// What is left to send elsewhere.
enum Kept {
    One(Box<dyn Encode>),
    Many(Outgoing),
}

impl Kept {
    fn sending(self) -> Option<Sending> {
        match self {
            Self::One(request) => Some(Sending::One(request)),
            Self::Many(outgoing) => outgoing.untouched().map(Sending::Many),
        }
    }

    fn outgoing(&self) -> Option<&Outgoing> {
        match self {
            Self::One(_) => None,
            Self::Many(outgoing) => Some(outgoing),
        }
    }
}

/// Opens a stream at the service at `socket`, if it takes the call.
pub(super) async fn open(
    socket: &Path,
    headers: &Headers<'_>,
    open: &mut Open<'_>,
) -> Option<Result<Opened, CallError>> {
    let attempt = Instant::now();
    let path = format!("/capabilities/{}", open.address.path());
    let (asking, kept) = match open.sending.take()? {
        Sending::One(request) => match request.json() {
            Ok(body) => (Asking::one(&path, body), Kept::One(request)),
            Err(error) => return Some(Err(CallError::Request(error))),
        },
        Sending::Many(items) => {
            let outgoing = Outgoing::of(items);
            (Asking::many(&path, outgoing.pieces()), Kept::Many(outgoing))
        }
    };
    let gives_stream = open.kind.gives_stream();
    let asking = asking.map(|asking| if gives_stream { asking.for_lines() } else { asking });
    let asking = asking.and_then(|mut asking| headers.put(asking.headers_mut()).map(|()| asking));
    let heard = async {
        let nothing = |error: Failure| Unsent::Nothing(error.to_string());
        let asking = asking.map_err(nothing)?;
        asking.of(UnixStream::connect(socket).await.map_err(|error| nothing(error.into()))?).await
    };
    let place = match open.waiting.word(heard).await {
        Some(Ok(Heard::Stream(body, connection))) => {
            let received = Received::Many(received(body, connection, kept.outgoing().cloned()));
            return Some(Ok(open.opened(received)));
        }
        Some(Ok(Heard::Whole(status, body))) => read(status, body, attempt, &mut open.trail),
        Some(Err(Unsent::Nothing(why))) => {
            open.trail.add(Via::Box, None, attempt, why);
            Place::Absent
        }
        Some(Err(Unsent::Perhaps(why))) => Place::Lost(why),
        None => Place::TimedOut,
    };
    let why = match place {
        Place::Answered(Ok(output)) => {
            return Some(match output {
                Output::Json(body) => Ok(open.opened(Received::One(Item::Json(body)))),
                _ => Err(CallError::Reply(CapabilityError::internal("a socket carries JSON"))),
            });
        }
        // The provider gave up because this side had no more time.
        Place::Answered(Err(error)) if *error.kind() == ErrorCode::Timeout && Instant::now() >= open.deadline => {
            return Some(Err(late(open, attempt)));
        }
        Place::Answered(Err(error)) => {
            open.trail.add(Via::Box, None, attempt, error.to_string());
            return Some(Err(refused(error, std::mem::take(&mut open.trail))));
        }
        Place::TimedOut => return Some(Err(late(open, attempt))),
        Place::Absent => {
            open.sending = kept.sending();
            if open.sending.is_some() {
                return None;
            }
            "it turned the call away when it had begun to take its items".to_owned()
        }
        Place::Lost(why) => {
            if let Some(error) = kept.outgoing().and_then(Outgoing::failed) {
                return Some(Err(CallError::Request(error)));
            }
            open.trail.add(Via::Box, None, attempt, why.clone());
            // What may be done twice goes on.
            if open.address.is_idempotent {
                open.sending = kept.sending();
                if open.sending.is_some() {
                    return None;
                }
            }
            why
        }
    };
    Some(Err(CallError::lost(why, std::mem::take(&mut open.trail).ended())))
}

fn late(open: &mut Open<'_>, attempt: Instant) -> CallError {
    open.trail.add(Via::Box, None, attempt, "it did not answer in time");
    timed_out(open.address, open.begun, std::mem::take(&mut open.trail))
}
