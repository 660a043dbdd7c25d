//! The local API: capabilities over HTTP on a Unix socket, for this box.
//!
//! Calls go from hyper straight to the frozen table of [`Dispatch`]; axum's router answers everything
//! else.

mod problem;

pub(crate) use problem::Problem;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::service::Service;
use hyper::{Method, Request, Response};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::UnixListener;

use crate::capability::{CallId, Caller, CapabilityError, CapabilityInfo, ErrorCode, Input, Output, Via};
use crate::contract::Contract;
use crate::dispatch::{self, Admitted, Dispatch, MAX_REQUEST, Origin};
use crate::listener::{Connections, HEAD_TIMEOUT, Limits};
use crate::service::{Blueprint, ServiceInfo};
use crate::telemetry::panics;

/// More connections than a box has callers, and at most half of the files of this process.
const LIMITS: Limits = Limits { connections: 16_384, read_buffer: 64 * 1024, head_timeout: HEAD_TIMEOUT };

/// How much of a body is read that nobody looks at, and for how long.
const MAX_DISCARDED: usize = 16 * MAX_REQUEST;
const DISCARD_TIME: Duration = Duration::from_secs(2);

type HttpAnswer = Response<Either<Full<Bytes>, axum::body::Body>>;

/// What answers on the socket.
pub(crate) struct LocalApi {
    dispatch: Arc<Dispatch>,
    fallback: TowerToHyperService<Router>,
    connections: Arc<Connections>,
    /// Who may call: the user of this process, and root.
    owner: u32,
}

impl LocalApi {
    pub(crate) fn new(blueprint: Blueprint, dispatch: Arc<Dispatch>) -> Arc<Self> {
        Arc::new(Self {
            dispatch,
            fallback: TowerToHyperService::new(fallback(blueprint)),
            connections: Connections::new(LIMITS.within_files(2)),
            owner: rustix::process::geteuid().as_raw(),
        })
    }

    /// Answers until it is dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: UnixListener) {
        let connections = Arc::clone(&self.connections);
        let answer = move |uid| {
            let api = Arc::clone(&self);
            move |request| Arc::clone(&api).answer(uid, request)
        };
        connections.serve(listener, answer).await;
    }

    /// Lets open connections have their replies, then closes them.
    pub(crate) async fn retire(&self) {
        self.connections.retire().await;
    }

    async fn answer(self: Arc<Self>, uid: u32, request: Request<Incoming>) -> HttpAnswer {
        if uid != self.owner && uid != 0 {
            let message = format!("user {uid} may not call this service; it runs as user {}", self.owner);
            return problem::of(&CapabilityError::new(ErrorCode::Unauthorized, message), None);
        }
        let slot = match address(&request) {
            Address::Capability { name, version: Ok(version) } => self.dispatch.find(name, version),
            Address::Capability { name, version: Err(text) } => Err(self.dispatch.unknown(name, text)),
            // Boxed: its state is large, and a call must not carry it along.
            Address::Elsewhere => return Box::pin(self.elsewhere(request)).await,
        };
        match slot.and_then(|slot| self.dispatch.admit(slot)) {
            Ok(admitted) => self.call(uid, admitted, request).await,
            Err(error) => refuse_unread(request, &error, None),
        }
    }

    async fn call(&self, uid: u32, admitted: Admitted, request: Request<Incoming>) -> HttpAnswer {
        let id = admitted.id;
        if request.body().size_hint().lower() > MAX_REQUEST as u64 {
            let error = self.dispatch.refuse(&admitted, dispatch::too_large());
            return refuse_unread(request, &error, Some(id));
        }
        let mut body = request.into_body();
        let body = match tokio::time::timeout_at(admitted.deadline(), read(&mut body)).await {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => {
                discard(body);
                return problem::of(&self.dispatch.refuse(&admitted, error), Some(id));
            }
            Err(_) => return problem::of(&self.dispatch.timed_out(&admitted), Some(id)),
        };
        let origin = Origin { caller: Caller::Local { uid }, via: Via::Box };
        match self.dispatch.answer(admitted, origin, Input::Json(body)).await {
            Ok(Output::Json(reply)) => json_response(reply).map(Either::Left),
            Err(error) => problem::of(&error, Some(id)),
        }
    }

    async fn elsewhere(&self, request: Request<Incoming>) -> HttpAnswer {
        match self.fallback.call(request).await {
            Ok(response) => response.map(Either::Right),
            Err(never) => match never {},
        }
    }
}

enum Address<'a> {
    Capability { name: &'a str, version: Result<u16, &'a str> },
    Elsewhere,
}

/// `POST /capabilities/{name}/v{version}`; names need no escapes, so there are none to undo, and a
/// version has one spelling.
fn address(request: &Request<Incoming>) -> Address<'_> {
    let path = request.uri().path().strip_prefix("/capabilities/").and_then(|rest| rest.split_once('/'));
    let canonical = |text: &&str| text.starts_with(|c: char| matches!(c, '1'..='9'));
    match path.and_then(|(name, version)| Some((name, version.strip_prefix('v')?))) {
        Some((name, text)) if request.method() == Method::POST => {
            let version = Some(text).filter(canonical).and_then(|text| text.parse().ok()).ok_or(text);
            Address::Capability { name, version }
        }
        _ => Address::Elsewhere,
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

/// Reads a body that is not larger than a capability takes.
async fn read(body: &mut Incoming) -> Result<Bytes, CapabilityError> {
    let broken = |error: hyper::Error| CapabilityError::invalid_request(format!("the body ended early: {error}"));
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if whole.len() + data.len() > MAX_REQUEST {
            return Err(dispatch::too_large());
        }
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn json_response(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What the socket answers besides calls.
fn fallback(blueprint: Blueprint) -> Router {
    let listing = Bytes::from(listing(blueprint.info).to_string());
    let document: Arc<OnceLock<Bytes>> = Arc::default();
    Router::new()
        .route("/capabilities", get(async move || json_response(listing.clone())))
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
