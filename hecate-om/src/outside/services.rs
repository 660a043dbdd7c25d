//! The services of this box, as they say themselves that they are.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::kind_of;
use crate::capability::Kind;
use crate::client::{ask_health, exchange};
use crate::folder::{ServicePaths, services_in};

/// How long a service may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// A service that has a socket on this box.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Service {
    /// The name of its folder, which is its own.
    pub name: String,
    /// The socket of its local API.
    pub socket: PathBuf,
    /// How it is.
    pub state: State,
}

/// How a service of this box is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum State {
    /// It answers.
    Running(Running),
    /// Nobody listens at its socket: its process ended without putting it away.
    Dead,
    /// It says nothing, or nothing that a service says, and why.
    Silent(String),
}

/// What a running service says of itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Running {
    /// Its process, as the system knows it.
    pub pid: Option<i32>,
    /// Its version.
    pub version: String,
    /// What it offers.
    pub capabilities: Vec<Offer>,
    /// Its health, if it tells it.
    pub health: Option<Health>,
}

impl Running {
    /// The capability of that name and version; the newest of that name where no version is given.
    pub fn offer(&self, name: &str, version: Option<u16>) -> Option<&Offer> {
        let of_name = self.capabilities.iter().filter(|offer| offer.name == name);
        of_name.filter(|offer| version.is_none_or(|version| offer.version == version)).max_by_key(|offer| offer.version)
    }
}

/// A capability that a service offers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u16,
    /// How it is called.
    pub kind: Kind,
    /// Who may call it.
    pub access: String,
    /// What it does.
    pub description: String,
}

/// The health of a service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Health {
    /// `ok`, `degraded` or `down`.
    pub status: String,
    /// `starting`, `running` or `draining`.
    pub phase: String,
    /// What is not well, if something is not.
    pub reason: Option<String>,
    /// For how many seconds it has been running.
    pub uptime_s: u64,
}

#[derive(Deserialize)]
struct Listing {
    version: String,
    capabilities: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    version: u16,
    kind: String,
    access: String,
    description: String,
}

/// Asks all of them at once.
pub(super) async fn look(runtime_dir: PathBuf) -> Vec<Service> {
    // The folder may be on a disk that hangs.
    let found = tokio::task::spawn_blocking(move || services_in(&runtime_dir)).await.unwrap_or_default();
    let mut asked = JoinSet::new();
    for (name, paths) in found {
        asked.spawn(async move { Service { name, socket: paths.api_socket(), state: state(&paths).await } });
    }
    let mut services = asked.join_all().await;
    services.sort_by(|one, other| one.name.cmp(&other.name));
    services
}

async fn state(paths: &ServicePaths) -> State {
    match timeout(PATIENCE, ask(paths)).await {
        Ok(Ok(mut running)) => {
            let health = timeout(PATIENCE, ask_health(paths, "/health")).await;
            running.health = health.ok().and_then(Result::ok).and_then(|(_, body)| serde_json::from_slice(&body).ok());
            State::Running(running)
        }
        Ok(Err(state)) => state,
        Err(_) => State::Silent(format!("it does not answer within {} s", PATIENCE.as_secs())),
    }
}

async fn ask(paths: &ServicePaths) -> Result<Running, State> {
    let silent = |error: &dyn std::fmt::Display| State::Silent(error.to_string());
    let stream = UnixStream::connect(paths.api_socket()).await.map_err(|error| match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => State::Dead,
        _ => silent(&error),
    })?;
    let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
    let (_, body) =
        exchange(stream, Method::GET, "/capabilities", Bytes::new()).await.map_err(|error| silent(&error))?;
    let Listing { version, capabilities } = serde_json::from_slice(&body)
        .map_err(|error| State::Silent(format!("it does not say what it offers: {error}")))?;
    // What a later version has is not called here.
    let offer = |listed: Listed| {
        let Listed { name, version, kind, access, description } = listed;
        Some(Offer { kind: kind_of(&kind)?, name, version, access, description })
    };
    Ok(Running { pid, version, capabilities: capabilities.into_iter().filter_map(offer).collect(), health: None })
}
