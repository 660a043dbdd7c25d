//! The local API: capabilities over HTTP on a Unix socket, for this box.
//!
//! Calls go from hyper straight to the frozen table of [`Dispatch`]; axum's router answers everything
//! else.

pub(crate) mod headers;
mod limits;
pub(crate) mod lines;
mod problem;
pub(crate) mod stream;

#[cfg(test)]
pub(crate) use limits::MOST_CHANGES;
pub(crate) use problem::Problem;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::time::Sleep;

use crate::capability::trace::CallerTrace;
use crate::capability::{Access, CallId, CapabilityError, CapabilityInfo, ErrorCode, Input, Kind, Output};
use crate::contract::Contract;
use crate::dispatch::{self, Admitted, Dispatch, MAX_REQUEST, Origin};
use crate::guard::warrant::{LocalUser, Warrant};
use crate::listener::{Connection, Connections, HEAD_TIMEOUT, Limits, Listener, READ_TIMEOUT, quietly};
use crate::service::{Blueprint, ServiceInfo};
use crate::telemetry::panics;

/// More connections than a box has callers, and at most half of the files of this process.
pub(crate) const LIMITS: Limits =
    Limits { connections: 16_384, read_buffer: 64 * 1024, head_timeout: HEAD_TIMEOUT, read_timeout: READ_TIMEOUT };

/// How much memory is taken for a body that has not come.
const MAX_AHEAD: usize = 256 * 1024;

/// How much of a body is read that nobody looks at, and for how long.
pub(crate) const MAX_DISCARDED: usize = 16 * MAX_REQUEST;
pub(crate) const DISCARD_TIME: Duration = Duration::from_secs(2);

type HttpAnswer = Response<Either<Full<Bytes>, axum::body::Body>>;

/// What answers on the socket.
pub(crate) struct LocalApi {
    dispatch: Arc<Dispatch>,
    fallback: TowerToHyperService<Router>,
    connections: Arc<Connections>,
    scope: &'static str,
    changes: limits::Changes,
    /// Who may call: the user of this process, and root.
    owner: u32,
}

impl LocalApi {
    pub(crate) fn new(blueprint: Blueprint, dispatch: Arc<Dispatch>) -> Arc<Self> {
        Arc::new(Self {
            dispatch,
            fallback: TowerToHyperService::new(fallback(blueprint)),
            connections: Connections::new(LIMITS.within_files(2)),
            scope: blueprint.info.identity.scope,
            changes: limits::Changes::new(),
            owner: rustix::process::geteuid().as_raw(),
        })
    }

    /// Answers until it is dropped or [closed](Self::close).
    pub(crate) async fn serve(self: Arc<Self>, listener: impl Listener<Peer = u32>) {
        let connections = Arc::clone(&self.connections);
        let answer = move |uid, connection: &Arc<Connection>| {
            let (api, connection) = (Arc::clone(&self), Arc::clone(connection));
            move |request| api.answer(uid, &connection, request)
        };
        connections.serve(listener, answer).await;
    }

    /// Answers who came before, nobody who comes later, and waits until all connections have closed.
    /// The socket's file should be gone.
    pub(crate) async fn close(&self) {
        self.connections.close().await;
    }

    fn answer(self: &Arc<Self>, uid: u32, connection: &Arc<Connection>, request: Request<Incoming>) -> Exchange {
        let path = called(&request);
        let slot = path.and_then(|path| self.dispatch.find(path));
        let Some(user) = LocalUser::of(uid, self.owner) else {
            let message = format!("user {uid} may not call this service; it runs as user {}", self.owner);
            let mut error = CapabilityError::new(ErrorCode::Unauthorized, message);
            if let Some(slot) = slot {
                error = self.dispatch.turned_away(slot, error);
            }
            return Exchange::at_once(problem::of(&error, None));
        };
        let Some(slot) = slot else {
            if let Some(asked) = path.and_then(|path| limits::Asked::of(path, self.scope)) {
                return self.limits(asked, user, request);
            }
            return match path.and_then(|path| path.split_once("/v")) {
                Some((name, version)) if !name.contains('/') => {
                    let error = self.dispatch.stranger(name, version);
                    Exchange::at_once(refuse_unread(request, &error, None))
                }
                _ => self.elsewhere(request),
            };
        };
        let (origin, trace) = match self.origin(slot, user, &request) {
            Ok(origin) => origin,
            Err(refused) => return refused.answer(request),
        };
        match self.dispatch.admit(slot, origin, trace) {
            Ok(call) if call.info().kind == Kind::Unary && !call.info().is_cancelled_on_disconnect => {
                Exchange::begin(call, request)
            }
            Ok(call) if call.info().kind == Kind::Unary => Exchange::watched(call, request, connection),
            Ok(call) => Exchange::stream(call, request, connection),
            Err(error) => Exchange::at_once(refuse_unread(request, &error, None)),
        }
    }

    /// What the head of a call tells of where it comes from, and of the trace that it belongs to.
    #[inline(always)]
    fn origin(
        &self,
        slot: usize,
        user: LocalUser,
        request: &Request<Incoming>,
    ) -> Result<(Origin, Option<Arc<CallerTrace>>), Refused> {
        let said = headers::read(request.headers())
            .map_err(|error| Refused::Malformed(self.dispatch.turned_away(slot, error)))?;
        if said.names_a_service() {
            let standing = self.dispatch.standing();
            if !standing.is_some_and(|standing| said.means(&standing)) {
                return Err(Refused::Misdirected(self.dispatch.meant_for_another(slot)));
            }
        }
        let needs_token = matches!(self.dispatch.info(slot).access, Access::Issuer(_));
        let token = needs_token.then(|| headers::bearer(request.headers())).flatten();
        let warrant = Warrant::Local { user, token };
        Ok((Origin { warrant, hops: said.hops, time_left: said.time_left }, said.trace))
    }

    /// What every service answers besides its own capabilities.
    fn limits(self: &Arc<Self>, asked: limits::Asked, user: LocalUser, request: Request<Incoming>) -> Exchange {
        match headers::read(request.headers()) {
            Ok(said) if said.names_a_service() => {
                if !self.dispatch.standing().is_some_and(|standing| said.means(&standing)) {
                    return Refused::Misdirected(CapabilityError::new(
                        ErrorCode::UnknownCapability,
                        "the limits that are here are of another org or realm than the one that was asked for",
                    ))
                    .answer(request);
                }
            }
            Ok(_) => {}
            Err(error) => return Refused::Malformed(error).answer(request),
        }
        let api = Arc::clone(self);
        Exchange::Other(Box::pin(async move {
            limits::answer(&api.dispatch, &api.changes, asked, user, request.into_body()).await
        }))
    }

    fn elsewhere(self: &Arc<Self>, request: Request<Incoming>) -> Exchange {
        let api = Arc::clone(self);
        Exchange::Other(Box::pin(async move {
            match api.fallback.call(request).await {
                Ok(response) => response.map(Either::Right),
                Err(never) => match never {},
            }
        }))
    }
}

/// A call that is refused by what its head says.
enum Refused {
    Malformed(CapabilityError),
    /// It means another service, which does not answer here.
    Misdirected(CapabilityError),
}

impl Refused {
    fn answer(self, request: Request<Incoming>) -> Exchange {
        Exchange::at_once(match self {
            Self::Malformed(error) => refuse_unread(request, &error, None),
            Self::Misdirected(error) => {
                let mut answer = refuse_unread(request, &error, None);
                *answer.status_mut() = StatusCode::MISDIRECTED_REQUEST;
                answer
            }
        })
    }
}

/// `<name>/v<version>` of `POST /capabilities/<name>/v<version>`; names need no escapes, so there are
/// none to undo, and a version has one spelling.
fn called(request: &Request<Incoming>) -> Option<&str> {
    let path = request.uri().path().strip_prefix("/capabilities/")?;
    (*request.method() == Method::POST).then_some(path)
}

/// One request and its answer. A state machine made by hand: what a call carries along is not moved.
#[allow(clippy::large_enum_variant, reason = "nearly all are calls, and a box would cost each of them")]
enum Exchange {
    Call(Answered),
    /// Everything that is no call that was let in; its state may be large.
    Other(Pin<Box<dyn Future<Output = HttpAnswer> + Send>>),
}

impl Exchange {
    fn at_once(answer: HttpAnswer) -> Self {
        Self::Other(Box::pin(std::future::ready(answer)))
    }

    #[inline(always)]
    fn begin(mut call: Admitted, request: Request<Incoming>) -> Self {
        if let Some(error) = announced_too_large(&mut call, &request) {
            return Self::at_once(refuse_unread(request, &error, Some(call.id())));
        }
        Self::Call(Answered::of(call, request.into_body()))
    }

    /// A call that ends with its caller, who is looked for meanwhile.
    #[cold]
    fn watched(call: Admitted, request: Request<Incoming>, connection: &Arc<Connection>) -> Self {
        let watching = connection.stream(call.info().timeout);
        let exchange = Self::begin(call, request);
        Self::Other(Box::pin(async move {
            let _watching = watching;
            exchange.await
        }))
    }

    /// What streams is rare enough, and lasts long enough, for a place of its own.
    #[cold]
    fn stream(call: Admitted, request: Request<Incoming>, connection: &Arc<Connection>) -> Self {
        let streaming = connection.stream(call.info().timeout);
        Self::Other(Box::pin(stream::answer(call, request, streaming)))
    }
}

/// What a call is refused with whose request says that it is larger than the capability takes.
fn announced_too_large(call: &mut Admitted, request: &Request<Incoming>) -> Option<CapabilityError> {
    (request.body().size_hint().lower() > call.most_payload() as u64).then(|| call.refuse_size())
}

impl Future for Exchange {
    type Output = HttpAnswer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<HttpAnswer> {
        match &mut *self {
            Self::Call(call) => call.poll(context),
            Self::Other(answer) => answer.as_mut().poll(context),
        }
    }
}

/// A call of one request and one reply.
struct Answered {
    id: CallId,
    answer: dispatch::Answer,
    /// Until the request is whole.
    reading: Option<Reading>,
}

impl Answered {
    #[inline(always)]
    fn of(call: Admitted, body: Incoming) -> Self {
        let (id, reading) = (call.id(), Reading { body, whole: None, timer: None });
        Self { id, answer: dispatch::Answer::of(call), reading: Some(reading) }
    }

    /// What the handler came to, or began to stream.
    #[inline(always)]
    fn poll_output(&mut self, context: &mut Context<'_>) -> Poll<Result<Output, CapabilityError>> {
        if let (Some(reading), Some(call)) = (&mut self.reading, self.answer.call()) {
            let begun = match ready!(reading.poll(call, context)) {
                Read::Whole(body) => self.answer.begin(Input::Json(body)),
                Read::TooLarge => Err(too_large(call, self.reading.take())),
                Read::Broken(error) => Err(call.refuse(error)),
                Read::Late => Err(call.timed_out()),
            };
            self.reading = None;
            if let Err(error) = begun {
                return Poll::Ready(Err(error));
            }
        }
        Pin::new(&mut self.answer).poll(context)
    }

    #[inline(always)]
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<HttpAnswer> {
        match ready!(self.poll_output(context)) {
            Ok(Output::Json(reply)) => Poll::Ready(json_response(reply).map(Either::Left)),
            Ok(_) => Poll::Ready(in_another_form(self.id)),
            Err(error) => Poll::Ready(problem::of(&error, Some(self.id))),
        }
    }
}

/// Ends a call whose request turned out to be larger than its capability takes.
#[cold]
fn too_large(call: &mut Admitted, reading: Option<Reading>) -> CapabilityError {
    if let Some(reading) = reading {
        discard(reading.body);
    }
    call.refuse_size()
}

#[cold]
fn in_another_form(call: CallId) -> HttpAnswer {
    problem::of(&CapabilityError::internal("a call in JSON was answered in another form"), Some(call))
}

/// A request that is being read, if it is not larger than a capability takes.
struct Reading {
    body: Incoming,
    /// What came so far, when it did not come in one piece.
    whole: Option<BytesMut>,
    /// Made when there is something to wait for: as a rule the body comes with the head.
    timer: Option<Pin<Box<Sleep>>>,
}

/// What came of reading.
enum Read {
    Whole(Bytes),
    Broken(CapabilityError),
    TooLarge,
    Late,
}

impl Reading {
    fn poll(&mut self, call: &Admitted, context: &mut Context<'_>) -> Poll<Read> {
        let body = &mut self.body;
        loop {
            let (frame, woken) = quietly(|| Pin::new(&mut *body).poll_frame(context));
            if woken && !body.is_end_stream() {
                context.waker().wake_by_ref();
            }
            let Poll::Ready(frame) = frame else {
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(call.deadline())));
                return timer.as_mut().poll(context).map(|()| Read::Late);
            };
            let data = match frame {
                None => return Poll::Ready(Read::Whole(self.whole.take().unwrap_or_default().freeze())),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    // Trailers: nothing of the body.
                    Err(_) => continue,
                },
                Some(Err(error)) => {
                    let error = CapabilityError::invalid_request(format!("the body ended early: {error}"));
                    return Poll::Ready(Read::Broken(error));
                }
            };
            let came = self.whole.as_ref().map_or(0, BytesMut::len);
            if came + data.len() > call.most_payload() {
                return Poll::Ready(Read::TooLarge);
            }
            let more = body.size_hint().exact();
            if more == Some(0) && self.whole.is_none() {
                return Poll::Ready(Read::Whole(data));
            }
            // One piece of memory for what is announced; not for much more than came.
            let whole = self.whole.get_or_insert_with(|| {
                let announced = usize::try_from(more.unwrap_or(0)).unwrap_or(0).min(MAX_AHEAD);
                BytesMut::with_capacity(data.len() + announced)
            });
            whole.extend_from_slice(&data);
            if more == Some(0) {
                return Poll::Ready(Read::Whole(self.whole.take().unwrap_or_default().freeze()));
            }
        }
    }
}

/// Answers a call without a look at its body.
fn refuse_unread(request: Request<Incoming>, error: &CapabilityError, call: Option<CallId>) -> HttpAnswer {
    // Who expects to be told whether to send has not sent, and is not told to.
    if !request.headers().contains_key(EXPECT) {
        discard(request.into_body());
    }
    problem::of(error, call)
}

/// Reads on for a while what nobody looks at: to close a connection on a caller that still writes
/// would cost it the answer (RFC 9112, 9.6).
fn discard(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    let discarding = async move {
        let mut left = MAX_DISCARDED;
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(still) => left = still,
                None => return,
            }
        }
    };
    tokio::spawn(tokio::time::timeout(DISCARD_TIME, discarding));
}

fn json_response(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What the socket answers besides calls.
fn fallback(blueprint: Blueprint) -> Router {
    // Made when somebody first asks: most never do, and a start should not pay for a thousand entries.
    let listed: Arc<OnceLock<Bytes>> = Arc::default();
    let list = move || Bytes::from(listing(blueprint.info).to_string());
    let document: Arc<OnceLock<Bytes>> = Arc::default();
    Router::new()
        .route("/capabilities", get(async move || json_response(listed.get_or_init(list).clone())))
        .route("/openapi.json", get(async move || openapi(blueprint, &document)))
        .route("/capabilities/{name}/{version}", post(async || problem::malformed_address()))
        .method_not_allowed_fallback(async || problem::wrong_method())
        .fallback(async || problem::nothing_here())
}

/// The document, made when somebody first asks for it. Schemas are the author's code.
fn openapi(blueprint: Blueprint, document: &OnceLock<Bytes>) -> HttpAnswer {
    let make = || Contract::of(blueprint).openapi().to_string().into();
    match panics::caught(|| document.get_or_init(make).clone()) {
        Ok(document) => json_response(document).map(Either::Left),
        Err(panic) => {
            tracing::error!(at = panic.location, panic = panic.message, "a schema of this service panicked");
            problem::of(&CapabilityError::internal(panic), None)
        }
    }
}

fn listing(info: &ServiceInfo) -> serde_json::Value {
    let entry = |capability: &CapabilityInfo| {
        let mut entry = json!({
            "name": capability.name,
            "version": capability.version,
            "description": capability.description,
            "kind": capability.kind.to_string(),
            "access": capability.access.to_string(),
            "idempotent": capability.is_idempotent,
            "timeout_ms": capability.timeout.as_millis(),
            "path": format!("/capabilities/{}/v{}", capability.name, capability.version),
        });
        if let Some(why) = capability.deprecated {
            entry["deprecated"] = why.into();
        }
        entry
    };
    let capabilities: Vec<_> = info.capabilities.iter().map(entry).collect();
    json!({"service": info.name, "version": info.version, "capabilities": capabilities})
}

#[cfg(test)]
mod tests;
