//! Calls that stream: requests as the lines of a body, replies as lines or as server-sent events.
//!
//! Nothing is read before the handler asks for it, and nothing is made before the caller has read what came
//! before, but for what the system keeps between them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Either;
use hyper::body::{Body, Frame, Incoming as Received};
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::{HeaderMap, Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lines::{Lines, NoLine, put_line};
use super::{Answered, HttpAnswer, discard, json_response, problem, refuse_unread};
use crate::capability::{CallId, CapabilityError, Encoding, ErrorCode, FromPoll, Incoming, Input, Item, Items, Output};
use crate::dispatch::{self, Admitted};
use crate::listener::Streaming;

/// How items are sent that nobody asked to have otherwise.
pub(crate) const NDJSON: &str = "application/x-ndjson";
pub(crate) const EVENTS: &str = "text/event-stream";

/// Items that are ready at once go out together, up to so many bytes and for so long.
const TOGETHER: usize = 16 * 1024;
const AT_ONCE: Duration = Duration::from_millis(1);

/// Answers a call of which the request, the reply or both are streams.
pub(super) async fn answer(mut call: Admitted, request: Request<Received>, streaming: Streaming) -> HttpAnswer {
    let (id, form) = (call.id(), Form::asked_for(request.headers()));
    let answered = if call.info().kind.takes_stream() {
        let items = requests(request, call.info().limits.payload);
        match call.answer(Input::Items(Incoming { encoding: Encoding::Json, items })) {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        }
    } else {
        if let Some(error) = super::announced_too_large(&mut call, &request) {
            return refuse_unread(request, &error, Some(id));
        }
        let mut answered = Answered::of(call, request.into_body());
        std::future::poll_fn(|context| answered.poll_output(context)).await
    };
    match answered {
        Ok(Output::Items(items)) => respond(items, form, id, streaming),
        Ok(Output::Json(reply)) => json_response(reply).map(Either::Left),
        #[cfg(feature = "macula")]
        Ok(Output::Value(_)) => super::in_another_form(id),
        Err(error) => problem::of(&error, Some(id)),
    }
}

/// The lines of a body as requests.
fn requests(request: Request<Received>, limit: usize) -> Items {
    let is_expected = request.headers().contains_key(EXPECT);
    let mut requests = Requests { lines: Lines::of(request.into_body(), limit), limit, is_held: is_expected };
    Box::pin(FromPoll(move |context: &mut Context<'_>| requests.poll_next(context)))
}

struct Requests {
    lines: Lines<Received>,
    limit: usize,
    /// Whether the caller waits to be told that it may send, and has not been.
    is_held: bool,
}

impl Requests {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Item, CapabilityError>>> {
        self.is_held = false;
        let line = ready!(self.lines.poll_next(context));
        Poll::Ready(line.map(|line| match line {
            Ok(line) => Ok(Item::Json(line)),
            Err(NoLine::TooLong) => {
                self.let_go();
                Err(dispatch::too_large(self.limit))
            }
            Err(NoLine::Broken(error)) => {
                Err(CapabilityError::invalid_request(format!("the stream of requests ended early: {error}")))
            }
        }))
    }

    fn let_go(&mut self) {
        if let Some(body) = self.lines.take_body() {
            discard(body);
        }
    }
}

/// A handler may have seen enough.
impl Drop for Requests {
    fn drop(&mut self) {
        if !self.is_held && tokio::runtime::Handle::try_current().is_ok() {
            self.let_go();
        }
    }
}

/// How replies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    Events,
}

impl Form {
    /// The first that the caller names of those that there are.
    fn asked_for(headers: &HeaderMap) -> Self {
        let named = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut ranges = named.flat_map(|value| value.split(',')).filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let range = parts.next()?;
            let is_refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            (!is_refused).then_some(range)
        });
        let form = ranges.find_map(|range| match range {
            _ if range.eq_ignore_ascii_case(EVENTS) => Some(Self::Events),
            _ if range.eq_ignore_ascii_case(NDJSON) => Some(Self::Lines),
            _ => None,
        });
        form.unwrap_or(Self::Lines)
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Lines => NDJSON,
            Self::Events => EVENTS,
        })
    }

    fn put_item(self, item: &[u8], to: &mut Vec<u8>) {
        match self {
            Self::Lines => {
                put_line(item, to);
                to.push(b'\n');
            }
            Self::Events => {
                to.extend_from_slice(b"data: ");
                put_line(item, to);
                to.extend_from_slice(b"\n\n");
            }
        }
    }

    fn put_end(self, to: &mut Vec<u8>) {
        if self == Self::Events {
            to.extend_from_slice(b"event: end\ndata: {}\n\n");
        }
    }

    fn put_error(self, error: &CapabilityError, call: CallId, to: &mut Vec<u8>) {
        match self {
            Self::Lines => {
                to.extend_from_slice(&InBand::of(error, call).to_json());
                to.push(b'\n');
            }
            Self::Events => {
                to.extend_from_slice(b"event: error\n");
                self.put_item(&problem::body(error, Some(call)), to);
            }
        }
    }
}

/// The answer of which the replies are yet to be made.
fn respond(items: Items, form: Form, call: CallId, streaming: Streaming) -> HttpAnswer {
    let replies = Replies { items: Some(items), form, call, _streaming: streaming, is_given: false };
    let mut response = Response::new(Either::Right(axum::body::Body::new(replies)));
    response.headers_mut().insert(CONTENT_TYPE, form.content_type());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A body that makes replies as they are taken; dropped before its end, it ends their stream.
struct Replies {
    /// Until the last one.
    items: Option<Items>,
    form: Form,
    call: CallId,
    _streaming: Streaming,
    /// Whether something was given that hyper may not have written.
    is_given: bool,
}

impl Replies {
    /// Puts what comes next; says whether more may come.
    fn put(&mut self, item: Option<Result<Item, CapabilityError>>, to: &mut Vec<u8>) -> bool {
        let error = match item {
            Some(Ok(Item::Json(item))) => {
                self.form.put_item(&item, to);
                return true;
            }
            #[cfg(feature = "macula")]
            Some(Ok(Item::Value(_))) => Some(CapabilityError::internal("a stream in JSON went on in another form")),
            Some(Err(error)) => Some(error),
            None => None,
        };
        self.items = None;
        match error {
            Some(error) => self.form.put_error(&error, self.call, to),
            None => self.form.put_end(to),
        }
        false
    }
}

impl Body for Replies {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // hyper would ask on and on before it writes anything.
        if std::mem::take(&mut self.is_given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut frame = Vec::new();
        let mut begun: Option<Instant> = None;
        while let Some(items) = &mut self.items {
            let item = match items.as_mut().poll_next(context) {
                Poll::Ready(item) => item,
                Poll::Pending if frame.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            };
            let is_late = begun.get_or_insert_with(Instant::now).elapsed() > AT_ONCE;
            if !self.put(item, &mut frame) || frame.len() >= TOGETHER || is_late {
                break;
            }
        }
        if frame.is_empty() {
            return Poll::Ready(None);
        }
        self.is_given = true;
        Poll::Ready(Some(Ok(Frame::data(frame.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.items.is_none()
    }
}

/// An error in the place of an item.
#[derive(Serialize, Deserialize)]
pub(crate) struct InBand {
    #[serde(rename = "_hecate")]
    hecate: Told,
}

#[derive(Serialize, Deserialize)]
struct Told {
    error: ToldError,
}

#[derive(Serialize, Deserialize)]
struct ToldError {
    code: String,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
    #[serde(default)]
    retryable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
}

impl InBand {
    /// How one begins, as it is written here.
    const BEGIN: &[u8] = b"{\"_hecate\"";

    fn of(error: &CapabilityError, call: CallId) -> Self {
        let error = ToldError {
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            details: error.details().cloned(),
            retryable: error.is_retryable(),
            retry_after_ms: error.retry_after().and_then(|after| u64::try_from(after.as_millis()).ok()),
            call_id: Some(call.to_string()),
        };
        Self { hecate: Told { error } }
    }

    fn to_json(&self) -> Vec<u8> {
        // Text and numbers: it has a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The error, if a line is one and no item.
    pub(crate) fn read(line: &[u8]) -> Option<CapabilityError> {
        // No message has such a field.
        if !line.starts_with(Self::BEGIN) {
            return None;
        }
        let ToldError { code, message, details, retryable, retry_after_ms, .. } =
            serde_json::from_slice::<Self>(line).ok()?.hecate.error;
        let mut error = CapabilityError::new(ErrorCode::from_wire(code), message);
        if let Some(details) = details {
            error = error.with_details(details);
        }
        if retryable {
            error = error.retryable(retry_after_ms.map(Duration::from_millis));
        }
        Some(error)
    }
}
