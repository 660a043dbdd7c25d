//! HTTP as the local API speaks it, from the caller's side.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use super::CallError;
use crate::capability::trace::TRACEPARENT;
use crate::capability::{Capability, Trace, json};
use crate::dispatch::MAX_REPLY;
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
        if status.is_success() {
            return Ok(body);
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(CallError::Refused(problem.into_error())),
            Err(error) => Err(CallError::Broken(error.into())),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), CallError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), CallError> {
        let unreachable = |source| CallError::Unreachable { socket: self.socket.clone(), source };
        let stream = UnixStream::connect(&self.socket).await.map_err(unreachable)?;
        exchange(stream, method, path, body).await.map_err(CallError::Broken)
    }
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
        // A call that no other caused begins a trace of its own.
        let trace = HeaderValue::try_from(Trace::fresh().traceparent())?;
        request.headers_mut().insert(&TRACEPARENT, trace);
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
