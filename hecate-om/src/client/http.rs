//! HTTP as the local API speaks it, from the caller's side.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::CallError;
use super::flow::{Asking, Heard, Outgoing, Pieces, received};
use super::local::Unsent;
use super::open::{Opened, Received, SentItems};
use crate::capability::trace::TRACEPARENT;
use crate::capability::{Capability, Item, Trace, json};
use crate::dispatch::MAX_REPLY;
use crate::folder::ServicePaths;
use crate::local::Problem;

/// What may go wrong on a connection.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A caller of one service on this box, from outside of any service.
#[derive(Debug, Clone)]
pub(crate) struct LocalClient {
    socket: PathBuf,
}

impl LocalClient {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Calls a capability by its typed address.
    pub(crate) async fn call<S, R, T>(&self, capability: Capability<S, R, T>, request: &R) -> Result<T, CallError>
    where
        R: Serialize + 'static,
        T: DeserializeOwned + 'static,
    {
        let request = json::encode(request, json::UNKNOWN_SIZE).map_err(CallError::Request)?;
        let reply = self.call_json(capability.name(), capability.version(), request).await?;
        json::decode_reply(&reply).map_err(CallError::Reply)
    }

    /// Calls a capability with JSON that is written already.
    pub(crate) async fn call_json(&self, name: &str, version: u16, request: Bytes) -> Result<Bytes, CallError> {
        let (status, body) = self.send(Method::POST, &format!("/capabilities/{name}/v{version}"), request).await?;
        read(status, body)
    }

    /// Calls a capability of which the request, the reply or both are streams.
    pub(crate) async fn open(&self, name: &str, version: u16, sends: Sends) -> Result<Opened, CallError> {
        let path = format!("/capabilities/{name}/v{version}");
        let (asking, outgoing) = match sends {
            Sends::One(request) => (Asking::one(&path, request), None),
            Sends::Pieces(pieces) => (Asking::many(&path, pieces), None),
            Sends::Many(items) => {
                let outgoing = Outgoing::of(items);
                (Asking::many(&path, outgoing.pieces()), Some(outgoing))
            }
        };
        let mut asking = asking.map_err(CallError::Broken)?.for_lines();
        put_trace(asking.headers_mut()).map_err(CallError::Broken)?;
        let (status, body) = match asking.of(self.connect().await?).await {
            Ok(Heard::Stream(body, connection)) => {
                return Ok(Opened::nearby(Received::Many(received(body, connection, outgoing))));
            }
            Ok(Heard::Whole(status, body)) => (status, body),
            Err(Unsent::Nothing(why) | Unsent::Perhaps(why)) => {
                let failed = outgoing.and_then(|outgoing| outgoing.failed());
                return Err(failed.map_or_else(|| CallError::Broken(why.into()), CallError::Request));
            }
        };
        read(status, body).map(|body| Opened::nearby(Received::One(Item::Json(body))))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), CallError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), CallError> {
        exchange(self.connect().await?, method, path, body).await.map_err(CallError::Broken)
    }

    async fn connect(&self) -> Result<UnixStream, CallError> {
        let unreachable = |source| CallError::Unreachable { socket: self.socket.clone(), source };
        UnixStream::connect(&self.socket).await.map_err(unreachable)
    }
}

/// What is sent to a capability that streams.
pub(crate) enum Sends {
    /// One request.
    One(Bytes),
    /// Many of them.
    Many(SentItems),
    /// Many, written already: JSON documents in lines.
    Pieces(Pieces),
}

/// The reply, or the refusal, that is the whole of an answer.
fn read(status: StatusCode, body: Bytes) -> Result<Bytes, CallError> {
    if status.is_success() {
        return Ok(body);
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Err(CallError::Refused(problem.into_error())),
        Err(error) => Err(CallError::Broken(error.into())),
    }
}

/// A call that no other caused begins a trace of its own.
fn put_trace(headers: &mut HeaderMap) -> Result<(), Failure> {
    headers.insert(&TRACEPARENT, HeaderValue::try_from(Trace::fresh().traceparent())?);
    Ok(())
}

/// One request on a connection of its own.
pub(crate) async fn exchange<I>(
    stream: I,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), Failure>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut request = request(method, path, body)?;
    if request.method() == Method::POST {
        put_trace(request.headers_mut())?;
    }
    let read = async move { whole(sender.send_request(request).await?).await };
    let mut read = std::pin::pin!(read);
    // The connection is driven here, so that nothing is left behind when the caller goes away.
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        result = read.as_mut() => result,
        ended = connection.as_mut() => match ended {
            Ok(()) => read.await,
            Err(error) => Err(error.into()),
        },
    }
}

/// How long a service may take to tell its health.
const TO_TELL_HEALTH: Duration = Duration::from_secs(5);

/// Asks the health listener of a running service where that says that it is.
pub(crate) async fn ask_health(paths: &ServicePaths, path: &str) -> Result<(StatusCode, Bytes), Failure> {
    let place = paths.health_address();
    let told = std::fs::read_to_string(&place);
    let told = told.map_err(|error| format!("it left no address at {}: {error}", place.display()))?;
    let asked = async {
        match told.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix("/health")) {
            Some(address) => exchange(TcpStream::connect(address).await?, Method::GET, path, Bytes::new()).await,
            None => exchange(UnixStream::connect(told.trim()).await?, Method::GET, path, Bytes::new()).await,
        }
    };
    tokio::time::timeout(TO_TELL_HEALTH, asked).await?
}

/// A request as the local API takes it.
pub(super) fn request(method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse()?;
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(request)
}

/// A response with the whole of its body.
pub(super) async fn whole(response: Response<Incoming>) -> Result<(StatusCode, Bytes), Failure> {
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_REPLY).collect().await?.to_bytes();
    Ok((status, body))
}
