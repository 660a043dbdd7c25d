//! Health over HTTP: for probes, people and the scripts of the ancestors.
//!
//! Served from a thread of its own, and only from what the board knows, so it answers however busy
//! the service is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::get;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::service::Service;
use hyper::{Request, StatusCode};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};

use super::board::{Board, Phase};
use crate::config::HealthAddress;
use crate::exit;
use crate::folder::{FolderError, OwnedSocket};
use crate::listener::{Connections, HEAD_TIMEOUT, Limits, MAX_HEAD};
use crate::telemetry::metrics;

const LIMITS: Limits = Limits { connections: 256, read_buffer: MAX_HEAD, head_timeout: HEAD_TIMEOUT };

/// Why health cannot be served where it was asked for.
#[derive(Debug, Error)]
pub(crate) enum HealthError {
    #[error("health cannot be served at {address}; help: give HECATE_HEALTH_ADDR an address of this box that is free")]
    Bind { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Socket(#[from] FolderError),
}

impl HealthError {
    /// The exit code of the process, as in `sysexits.h`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            HealthError::Bind { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                exit::PERMISSION
            }
            HealthError::Bind { .. } => exit::TRY_AGAIN,
            HealthError::Socket(error) => error.exit_code(),
        }
    }
}

/// What is bound and not yet served.
pub(crate) struct Listeners {
    tcp: Vec<TcpListener>,
    unix: Option<(OwnedSocket, UnixListener)>,
    pub(crate) place: Place,
    pub(crate) warnings: Vec<String>,
}

/// Where health is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Tcp(address) => write!(f, "http://{address}/health"),
            Place::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Binds what was configured.
///
/// # Errors
/// When an address that somebody asked for cannot be had.
pub(crate) async fn bind(address: &HealthAddress) -> Result<Listeners, HealthError> {
    match address {
        HealthAddress::Tcp(address) => {
            let failed = |source| HealthError::Bind { address: *address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let place = Place::Tcp(listener.local_addr().map_err(failed)?);
            Ok(Listeners { tcp: vec![listener], unix: None, place, warnings: Vec::new() })
        }
        HealthAddress::Unix(path) => {
            let (socket, listener) = OwnedSocket::claim(path)?;
            Ok(Listeners {
                tcp: Vec::new(),
                unix: Some((socket, listener)),
                place: Place::Unix(path.clone()),
                warnings: Vec::new(),
            })
        }
        HealthAddress::Default(port) => bind_loopback(*port).await,
    }
}

/// The port on both families of loopback; a free one where it is taken.
async fn bind_loopback(port: u16) -> Result<Listeners, HealthError> {
    let mut warnings = Vec::new();
    let [address, _] = HealthAddress::loopback(port);
    let failed = |source| HealthError::Bind { address, source };
    let mut bound = both_families(port, &mut warnings).await;
    for _ in 0..FREE_PORT_TRIES {
        match &bound {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                bound = both_families(0, &mut warnings).await;
            }
            _ => break,
        }
    }
    let tcp = bound.map_err(failed)?;
    let address = tcp[0].local_addr().map_err(failed)?;
    if address.port() != port {
        warnings.push(format!("health: port {port} is taken; {} is used instead", address.port()));
    }
    Ok(Listeners { tcp, unix: None, place: Place::Tcp(address), warnings })
}

/// A port that is free on one family may be taken on the other: so often a free one is looked for.
const FREE_PORT_TRIES: usize = 10;

async fn both_families(port: u16, warnings: &mut Vec<String>) -> std::io::Result<Vec<TcpListener>> {
    let [v4, _] = HealthAddress::loopback(port);
    let listener = TcpListener::bind(v4).await?;
    let v4 = listener.local_addr()?;
    let [_, v6] = HealthAddress::loopback(v4.port());
    match TcpListener::bind(v6).await {
        Ok(second) => Ok(vec![listener, second]),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(error),
        Err(error) => {
            warnings.push(format!("health: there is no IPv6 loopback here ({error}); only {v4} answers"));
            Ok(vec![listener])
        }
    }
}

impl Listeners {
    /// Serves until it is dropped.
    pub(crate) async fn serve(self, board: Arc<Board>) {
        let connections = Connections::new(LIMITS.within_files(4));
        let mut serving = tokio::task::JoinSet::new();
        for listener in self.tcp {
            let answer = answers(&board, Detail::of_peer);
            serving.spawn(Arc::clone(&connections).serve(listener, answer));
        }
        if let Some((_socket, listener)) = self.unix {
            // Whoever can open the socket is on this box.
            Arc::clone(&connections).serve(listener, answers(&board, |_uid: u32| Detail(true))).await;
        }
        while serving.join_next().await.is_some() {}
    }
}

/// Whether a client may see reasons.
#[derive(Debug, Clone, Copy)]
struct Detail(bool);

impl Detail {
    /// For callers on this box; IPv4 may come dressed as IPv6.
    fn of_peer(peer: SocketAddr) -> Self {
        Self(peer.ip().to_canonical().is_loopback())
    }
}

fn answers<P, D: Fn(P) -> Detail>(
    board: &Arc<Board>,
    detail: D,
) -> impl Fn(P) -> Box<dyn Fn(Request<hyper::body::Incoming>) -> Answering + Send> + use<P, D> {
    let router = TowerToHyperService::new(router(Arc::clone(board)));
    move |peer| {
        let (router, detail) = (router.clone(), detail(peer));
        Box::new(move |mut request| {
            request.extensions_mut().insert(detail);
            let answering = router.call(request);
            Box::pin(async move {
                match answering.await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            })
        })
    }
}

type Answering = std::pin::Pin<Box<dyn Future<Output = Response> + Send>>;

fn router(board: Arc<Board>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/livez", get(async || respond(StatusCode::OK, &json!({"status": "ok"}))))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .route("/info", get(info))
        .route("/manifest.json", get(manifest))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(async || {
            respond(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "health takes GET and HEAD"}))
        })
        .fallback(async || {
            respond(
                StatusCode::NOT_FOUND,
                &json!({"error": "try /health, /livez, /readyz, /startupz, /info or /manifest.json"}),
            )
        })
        .with_state(board)
}

type On = State<Arc<Board>>;

async fn health(State(board): On, Extension(Detail(detail)): Extension<Detail>) -> Response {
    let report = board.report(detail);
    let status = if report.status == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    // A report is text and numbers: it has a JSON form.
    with_headers(status, Body::from(serde_json::to_vec(&report).unwrap_or_default()))
}

async fn readyz(State(board): On) -> Response {
    let status = board.report(false).status;
    if board.is_ready() {
        return respond(StatusCode::OK, &json!({"status": status}));
    }
    respond(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": status, "in_flight": board.in_flight()}))
}

async fn startupz(State(board): On) -> Response {
    let (code, status) = match board.phase() {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Phase::Running | Phase::Draining => (StatusCode::OK, "started"),
    };
    respond(code, &json!({"status": status}))
}

async fn info(State(board): On) -> Response {
    let info = board.info();
    let capabilities: Vec<_> = info.capabilities.iter().map(ToString::to_string).collect();
    let body = json!({
        "name": info.name,
        "version": info.version,
        "description": info.description,
        "callback_module": info.callback_module,
        "hecate_om": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "started": board.started_at(),
        "phase": board.report(false).phase(),
        "capabilities": capabilities,
    });
    respond(StatusCode::OK, &body)
}

async fn metrics(State(board): On) -> Response {
    let mut response = with_headers(StatusCode::OK, Body::from(metrics::exposition(&board)));
    let openmetrics = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, openmetrics);
    response
}

async fn manifest(State(board): On) -> Response {
    with_headers(StatusCode::OK, Body::from(board.info().manifest))
}

fn respond(status: StatusCode, body: &Value) -> Response {
    with_headers(status, Body::from(body.to_string()))
}

fn with_headers(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use http_body_util::BodyExt;

    use super::*;
    use crate::dispatch::Dispatch;
    use crate::health::Health;
    use crate::health::Impact;
    use crate::health::board::Finding;
    use crate::service::{IdentitySpec, ServiceInfo};

    static INFO: ServiceInfo = ServiceInfo::new(
        "hecate-x",
        "1.0.0",
        "x",
        "x::X",
        "x.rs:1",
        &[],
        IdentitySpec::new("x", &[], &[], 30),
        1,
        "{}",
    );

    #[test]
    fn a_port_that_is_not_ours_to_take_is_told_from_one_that_is_taken() {
        let code = |kind| {
            let address = ([127, 0, 0, 1], 80).into();
            HealthError::Bind { address, source: std::io::Error::from(kind) }.exit_code()
        };
        assert_eq!(code(std::io::ErrorKind::PermissionDenied), 77);
        assert_eq!(code(std::io::ErrorKind::AddrInUse), 75);
    }

    async fn health_for(peer: &str) -> String {
        let board = Board::new(&INFO, Dispatch::new(&INFO));
        board.enter(Phase::Running);
        let health = Health::degraded("the disk is nearly full");
        let check = board.add("service", Impact::Critical);
        board.note(check, Finding { health, code: None, at: Instant::now(), took: Duration::ZERO });
        let mut request = Request::get("/health").body(Body::empty()).unwrap();
        request.extensions_mut().insert(Detail::of_peer(peer.parse().unwrap()));
        let response = TowerToHyperService::new(router(board)).call(request).await.unwrap();
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn reasons_are_for_callers_on_this_box() {
        for near in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(health_for(near).await.contains("nearly full"), "{near}");
        }
        for far in ["192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1"] {
            let report = health_for(far).await;
            assert!(report.contains("\"status\":\"degraded\"") && !report.contains("nearly full"), "{far}: {report}");
            assert!(!report.contains("checks"), "{far}: {report}");
        }
    }
}
