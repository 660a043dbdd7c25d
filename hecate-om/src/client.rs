//! Calls a service on this box, over its Unix socket.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use crate::capability::trace::TRACEPARENT;
use crate::capability::{Capability, CapabilityError, Trace, json};
use crate::dispatch::MAX_REPLY;
use crate::local::Problem;

/// Why a call has no reply.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The service refused, or its runtime did.
    #[error("{0}")]
    Refused(#[source] CapabilityError),
    /// Nobody listens at the socket.
    #[error("no service answers at {}", .socket.display())]
    Unreachable {
        /// Where it was looked for.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection ended before the reply.
    #[error("the connection ended before the reply")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request has no JSON form.
    #[error("the request cannot be sent")]
    Request(#[source] CapabilityError),
    /// The reply is not what the capability promises.
    #[error("the reply is not what the capability promises")]
    Reply(#[source] CapabilityError),
}

impl CallError {
    /// The code that the service refused with, if it was reached.
    pub fn code(&self) -> Option<&str> {
        self.refusal().map(CapabilityError::code)
    }

    /// What the service refused with, if it was reached.
    pub fn refusal(&self) -> Option<&CapabilityError> {
        match self {
            CallError::Refused(error) => Some(error),
            _ => None,
        }
    }
}

/// A caller of one service on this box.
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
        json::decode(&reply).map_err(CallError::Reply)
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
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse()?;
    if request.method() == Method::POST {
        // A call that no other caused begins a trace of its own.
        let trace = HeaderValue::try_from(Trace::fresh().traceparent())?;
        request.headers_mut().insert(&TRACEPARENT, trace);
    }
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let read = async move {
        let response: Response<_> = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_REPLY).collect().await?.to_bytes();
        Ok((status, body))
    };
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
