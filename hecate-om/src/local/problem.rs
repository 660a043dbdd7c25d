//! Errors as RFC 9457 problems.

use axum::response::IntoResponse;
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::Response;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::HttpAnswer;
use crate::capability::{CallId, CapabilityError, ErrorCode};

/// The body of an error.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    status: u16,
    detail: String,
    pub(crate) code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
    #[serde(default)]
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
}

impl Problem {
    fn new(error: &CapabilityError, call: Option<CallId>) -> Self {
        let detail = match (error.kind(), call) {
            // Here, too, because it is all that many callers print.
            (ErrorCode::Internal, Some(call)) => format!("{}: {call}", error.message()),
            _ => error.message().to_owned(),
        };
        Self {
            kind: format!("urn:hecate:error:{}", error.code()),
            status: error.kind().http_status(),
            detail,
            code: error.code().to_owned(),
            details: error.details().cloned(),
            retryable: error.is_retryable(),
            retry_after_ms: error.retry_after().and_then(|after| u64::try_from(after.as_millis()).ok()),
            call_id: call.map(|call| call.to_string()),
        }
    }

    fn to_json(&self) -> Vec<u8> {
        // Text and numbers: it has a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether it is about a call that was let in, and not about one that nobody took.
    pub(crate) fn is_of_a_call(&self) -> bool {
        self.call_id.is_some()
    }

    /// The error as its caller sees it.
    pub(crate) fn into_error(self) -> CapabilityError {
        let mut error = CapabilityError::new(ErrorCode::from_wire(self.code), self.detail);
        if let Some(details) = self.details {
            error = error.with_details(details);
        }
        if self.retryable {
            error = error.retryable(self.retry_after_ms.map(std::time::Duration::from_millis));
        }
        error
    }
}

/// The answer for an error.
pub(super) fn of(error: &CapabilityError, call: Option<CallId>) -> HttpAnswer {
    let after = error.retry_after().map(|after| after.as_secs_f64().ceil());
    let mut response = respond(&Problem::new(error, call));
    if let Some(after) = after.and_then(|after| HeaderValue::from_str(&after.to_string()).ok()) {
        response.headers_mut().insert(RETRY_AFTER, after);
    }
    response.map(Either::Left)
}

/// The body of that answer.
pub(super) fn body(error: &CapabilityError, call: Option<CallId>) -> Vec<u8> {
    Problem::new(error, call).to_json()
}

fn respond(problem: &Problem) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(problem.to_json())));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// The answer for an address that looks like a capability's and is none.
pub(super) fn malformed_address() -> impl IntoResponse {
    let message = "a capability is called at /capabilities/{name}/v{version}; GET /capabilities lists what is here";
    respond(&Problem::new(&CapabilityError::new(ErrorCode::UnknownCapability, message), None))
        .map(axum::body::Body::new)
}

/// The answer for an address that takes another method; the router adds which.
pub(super) fn wrong_method() -> impl IntoResponse {
    let detail = "this address does not take that method; the header Allow tells which it takes";
    respond(&about_http(405, "method_not_allowed", detail)).map(axum::body::Body::new)
}

/// The answer for any other address.
pub(super) fn nothing_here() -> impl IntoResponse {
    let detail = "nothing is here; try GET /capabilities, GET /openapi.json or POST /capabilities/{name}/v{version}";
    respond(&about_http(404, "not_found", detail)).map(axum::body::Body::new)
}

/// A problem with the request line, before any capability is known.
fn about_http(status: u16, code: &str, detail: &str) -> Problem {
    Problem {
        kind: "about:blank".to_owned(),
        status,
        detail: detail.to_owned(),
        code: code.to_owned(),
        details: None,
        retryable: false,
        retry_after_ms: None,
        call_id: None,
    }
}
