//! The service as a good engineer writes it by hand, on hyper and nothing else: the 1.00.

mod plain;

use std::convert::Infallible;
use std::error::Error;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use plain::{Listeners, Refused, Say};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};

fn main() -> Result<(), Box<dyn Error>> {
    plain::run(serve)
}

async fn serve(listeners: Listeners) {
    if let Some(health) = listeners.health {
        tokio::spawn(async move {
            while let Ok((stream, _)) = health.accept().await {
                tokio::spawn(answer_all(stream));
            }
        });
    }
    // The measured connections come over this one.
    while let Ok((stream, _)) = listeners.api.accept().await {
        tokio::spawn(answer_all(stream));
    }
}

async fn answer_all(stream: impl AsyncRead + AsyncWrite + Unpin) {
    // A client that leaves is no error of this server.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::POST, "/capabilities/echo.say/v1") => say(request.into_body()).await,
        (&Method::GET, "/health") => Response::new(Full::new(Bytes::from_static(b"ok"))),
        _ => refusal(StatusCode::NOT_FOUND, "nothing is here"),
    })
}

async fn say(body: Incoming) -> Response<Full<Bytes>> {
    let Ok(body) = body.collect().await else { return refusal(StatusCode::BAD_REQUEST, "the body ended early") };
    let Ok(request) = serde_json::from_slice::<Say>(&body.to_bytes()) else {
        return refusal(StatusCode::BAD_REQUEST, "the request cannot be read");
    };
    match plain::say(request).await {
        Ok(reply) => json(StatusCode::OK, &reply),
        Err(reply) => json(StatusCode::UNPROCESSABLE_ENTITY, &reply),
    }
}

fn refusal(status: StatusCode, why: &'static str) -> Response<Full<Bytes>> {
    json(status, &Refused { error: why })
}

fn json(status: StatusCode, reply: &impl Serialize) -> Response<Full<Bytes>> {
    let Ok(body) = serde_json::to_vec(reply) else { return Response::new(Full::default()) };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
