//! Where health is told over HTTP, and to whom.
//!
//! Served from a thread of its own, and only from what the board and the pulse know, so it answers
//! however busy the service is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::response::Response;
use hyper::service::Service;
use hyper::{Request, StatusCode};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};

use super::board::Board;
use super::pulse::Pulse;
use super::routes;
use crate::config::HealthAddress;
use crate::exit;
use crate::folder::{FolderError, OwnedSocket};
use crate::listener::{Connection, Connections, HEAD_TIMEOUT, Limits, MAX_HEAD};

pub(crate) const LIMITS: Limits =
    Limits { connections: 256, read_buffer: MAX_HEAD, head_timeout: HEAD_TIMEOUT, read_timeout: HEAD_TIMEOUT };

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

/// Tells how often each task was started again.
pub(crate) type Restarts = Arc<dyn Fn() -> Vec<(String, u64)> + Send + Sync>;

/// From what health is told.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) board: Arc<Board>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) restarts: Restarts,
    /// What `/health` answers when degraded.
    pub(crate) degraded_status: StatusCode,
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

/// What was asked for, which is not always what is had.
impl std::fmt::Display for HealthAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HealthAddress::Default(port) => write!(f, "localhost:{port}"),
            HealthAddress::Tcp(address) => write!(f, "{address}"),
            HealthAddress::Unix(path) => write!(f, "{}", path.display()),
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
    pub(crate) async fn serve(self, told: Told) {
        let connections = Connections::new(LIMITS.within_files(4));
        let mut serving = tokio::task::JoinSet::new();
        for listener in self.tcp {
            let answer = answers(&told, Detail::of_peer);
            serving.spawn(Arc::clone(&connections).serve(listener, answer));
        }
        if let Some((_socket, listener)) = self.unix {
            // Whoever can open the socket is on this box.
            Arc::clone(&connections).serve(listener, answers(&told, |_uid: u32| Detail(true))).await;
        }
        while serving.join_next().await.is_some() {}
    }
}

/// Whether a client may see reasons.
#[derive(Debug, Clone, Copy)]
pub(super) struct Detail(pub(super) bool);

impl Detail {
    /// For callers on this box; IPv4 may come dressed as IPv6.
    pub(super) fn of_peer(peer: SocketAddr) -> Self {
        Self(peer.ip().to_canonical().is_loopback())
    }
}

fn answers<P, D: Fn(P) -> Detail>(
    told: &Told,
    detail: D,
) -> impl Fn(P, &Arc<Connection>) -> Box<dyn Fn(Request<hyper::body::Incoming>) -> Answering + Send> + use<P, D> {
    let router = TowerToHyperService::new(routes::router(told.clone()));
    move |peer, _| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_not_ours_to_take_is_told_from_one_that_is_taken() {
        let code = |kind| {
            let address = ([127, 0, 0, 1], 80).into();
            HealthError::Bind { address, source: std::io::Error::from(kind) }.exit_code()
        };
        assert_eq!(code(std::io::ErrorKind::PermissionDenied), 77);
        assert_eq!(code(std::io::ErrorKind::AddrInUse), 75);
    }
}
