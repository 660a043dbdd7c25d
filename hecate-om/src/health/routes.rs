//! What is told at which path: to probes, people and the scripts of the ancestors.
//!
//! Whoever reaches the listener learns the status. Reasons, checks and what they measured are for
//! callers on this box; what is counted, at `/metrics`, is for all: names of checks and capabilities
//! are no secret, and a collector seldom runs on the same box.

mod asked;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{StatusCode, Uri};
use serde_json::{Value, json};

use self::asked::{Form, Query};
use super::board::Phase;
use super::endpoint::{Detail, Told};
use super::report::{Report, millis};
use crate::telemetry::metrics;

pub(super) fn router(told: Told) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/health/{check}", get(check))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .route("/info", get(info))
        .route("/manifest.json", get(manifest))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(async || {
            respond(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "health takes GET and HEAD"}))
        })
        .fallback(async || {
            let help = "try /health, /health/{check}, /livez, /readyz, /startupz, /info, /manifest.json or /metrics";
            respond(StatusCode::NOT_FOUND, &json!({"error": help}))
        })
        .with_state(told)
}

type On = State<Told>;
type For = Extension<Detail>;

async fn health(
    State(told): On,
    Extension(Detail(detail)): For,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let report = told.board.report(detail);
    answer(&told, Query::of(query.as_deref()), &headers, report, Report::into_json)
}

async fn check(
    State(told): On,
    Extension(Detail(detail)): For,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    // No name needs escapes.
    let name = uri.path().trim_start_matches("/health/");
    match told.board.report(true).only(name) {
        Ok(report) if detail => {
            let body = |report: Report| report.checks().first().map(|check| check.to_json()).unwrap_or_default();
            answer(&told, Query::of(query.as_deref()), &headers, report, body)
        }
        Ok(report) => {
            let body = |report: Report| json!({"status": report.status}).to_string().into_bytes();
            answer(&told, Query::of(query.as_deref()), &headers, report.without_details(), body)
        }
        Err(names) if detail => {
            respond(StatusCode::NOT_FOUND, &json!({"error": "there is no such check", "checks": names}))
        }
        Err(_) => respond(StatusCode::NOT_FOUND, &json!({"error": "there is no such check"})),
    }
}

/// A report in the form that was asked for, with the status code for it.
fn answer(
    told: &Told,
    query: Query,
    headers: &HeaderMap,
    report: Report,
    to_json: impl FnOnce(Report) -> Vec<u8>,
) -> Response {
    let form = Form::of(query, headers);
    let degraded = query.degraded.unwrap_or(match form {
        // The draft wants a warning to be no error.
        Form::Draft => StatusCode::OK,
        Form::Json | Form::Text => told.degraded_status,
    });
    let status = match report.status {
        "ok" => StatusCode::OK,
        "degraded" => degraded,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    match form {
        Form::Json => with_headers(status, JSON, to_json(report)),
        Form::Text => with_headers(status, TEXT, report.to_text()),
        Form::Draft => with_headers(status, DRAFT, report.into_draft()),
    }
}

async fn livez(State(told): On, Extension(Detail(detail)): For) -> Response {
    if told.pulse.alive() {
        return respond(StatusCode::OK, &json!({"status": "ok"}));
    }
    let mut body = json!({"status": "stuck"});
    if detail {
        body["since_ms"] = json!(millis(told.pulse.overdue()));
    }
    respond(StatusCode::SERVICE_UNAVAILABLE, &body)
}

async fn readyz(State(told): On, Extension(Detail(detail)): For, RawQuery(query): RawQuery) -> Response {
    let board = &told.board;
    let is_ready = board.is_ready();
    let code = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose = Query::of(query.as_deref()).verbose;
    let report = board.report(detail && (verbose || !is_ready));
    if verbose {
        return with_headers(code, TEXT, report.to_text());
    }
    let mut body = json!({"status": report.status});
    if detail && !is_ready {
        match board.phase() {
            Phase::Starting => {}
            Phase::Running => body["reasons"] = json!(report.reasons()),
            Phase::Draining => {
                body["in_flight"] = json!(board.in_flight());
                if let Some(left) = board.drain_left() {
                    body["deadline_ms"] = json!(millis(left));
                }
            }
        }
    }
    respond(code, &body)
}

async fn startupz(State(told): On, Extension(Detail(detail)): For) -> Response {
    if told.board.phase() != Phase::Starting {
        return respond(StatusCode::OK, &json!({"status": "started"}));
    }
    let mut body = json!({"status": "starting"});
    if detail {
        let (step, time) = told.board.step();
        body["phase"] = json!(step);
        body["elapsed_ms"] = json!(millis(time));
    }
    respond(StatusCode::SERVICE_UNAVAILABLE, &body)
}

async fn info(State(told): On, Extension(Detail(detail)): For) -> Response {
    let (board, info) = (&told.board, told.board.info());
    let capabilities: Vec<_> = info.capabilities.iter().map(ToString::to_string).collect();
    let mut body = json!({
        "name": info.name,
        "version": info.version,
        "description": info.description,
        "callback_module": info.callback_module,
        "hecate_om": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "instance": board.instance(),
        "started": board.started_at(),
        "phase": board.phase().word(),
        "capabilities": capabilities,
    });
    if let Some(mesh) = board.mesh(detail) {
        body["mesh"] = mesh.told;
    }
    respond(StatusCode::OK, &body)
}

async fn metrics(State(told): On) -> Response {
    with_headers(StatusCode::OK, OPENMETRICS, metrics::exposition(&told.board, &told.pulse, (told.restarts)()))
}

async fn manifest(State(told): On) -> Response {
    with_headers(StatusCode::OK, JSON, told.board.info().manifest)
}

fn respond(status: StatusCode, body: &Value) -> Response {
    with_headers(status, JSON, body.to_string())
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const DRAFT: HeaderValue = HeaderValue::from_static(asked::DRAFT);
const OPENMETRICS: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

fn with_headers(status: StatusCode, of_type: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, of_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests;
