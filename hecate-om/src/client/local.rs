//! The services of this box, over their sockets.
//!
//! A connection is kept for the next call: to make one takes as long as a call. One that died meanwhile
//! is replaced if it took nothing of the request, and only then.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::Address;
use super::calls::Place;
use super::http::{Failure, request, whole};
use super::trail::Trail;
use crate::capability::trace::{TRACEPARENT, TRACESTATE};
use crate::capability::{ErrorCode, Output, Trace, Via};
use crate::folder::{ServicePaths, services_in};
use crate::local::Problem;
use crate::local::headers::{HOPS, ORG, REALM, TIME_LEFT};
use crate::node_id::NodeId;

/// How long a connection is kept that nobody uses: less than its other end waits for a request.
const KEPT: Duration = Duration::from_secs(2);
/// How many connections are kept to one service.
const MOST_KEPT: usize = 8;
/// To how many services.
const MOST_SERVICES: usize = 64;
/// How long it is remembered who is on this box.
const LISTED: Duration = Duration::from_secs(2);
/// How long a service may take to say what it offers.
const TO_LIST: Duration = Duration::from_millis(250);

/// What the other side is told of a call.
pub(super) struct Headers<'a> {
    /// Whose capability is meant, if not that of whoever answers.
    pub(super) org: Option<&'a str>,
    pub(super) realm: Option<&'a [u8; 32]>,
    pub(super) hops: u8,
    pub(super) trace: &'a Trace,
    /// Until when the caller waits, if not for ever.
    pub(super) deadline: Option<Instant>,
    pub(super) token: Option<&'a [u8]>,
}

impl Headers<'_> {
    pub(super) fn put(&self, headers: &mut HeaderMap) -> Result<(), Failure> {
        headers.insert(&HOPS, HeaderValue::from(u16::from(self.hops)));
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            // What is less than a millisecond is none, and none would be no call.
            let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
            headers.insert(&TIME_LEFT, HeaderValue::from(left));
        }
        if let Some(org) = self.org {
            headers.insert(&ORG, HeaderValue::from_str(org)?);
        }
        if let Some(realm) = self.realm {
            let realm = NodeId::from_bytes(*realm).to_string();
            headers.insert(&REALM, HeaderValue::try_from(realm)?);
        }
        if let Some(token) = self.token {
            let mut bearer = HeaderValue::from_bytes(&[b"Bearer ", token].concat())?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        headers.insert(&TRACEPARENT, HeaderValue::try_from(self.trace.traceparent())?);
        if let Some(state) = self.trace.tracestate() {
            headers.insert(&TRACESTATE, HeaderValue::from_str(state)?);
        }
        Ok(())
    }
}

/// The services of this box.
pub(super) struct Neighbours {
    runtime_dir: PathBuf,
    kept: Mutex<HashMap<PathBuf, Vec<Kept>>>,
    /// Whoever asks while it is made waits for it.
    listing: tokio::sync::Mutex<Option<(Instant, Arc<[Neighbour]>)>>,
}

/// A connection that nobody uses.
struct Kept {
    sender: SendRequest<Full<Bytes>>,
    since: Instant,
}

/// A service of this box, and what it offers.
struct Neighbour {
    socket: PathBuf,
    offers: HashSet<(String, u16)>,
}

/// Why a request has no response.
pub(super) enum Unsent {
    /// Nothing of it was sent.
    Nothing(String),
    /// It may have been taken.
    Perhaps(String),
}

impl Neighbours {
    pub(super) fn new(runtime_dir: PathBuf) -> Self {
        Self { runtime_dir, kept: Mutex::default(), listing: tokio::sync::Mutex::default() }
    }

    /// Where there may be a provider: at the socket of a service that is known by name, else wherever a
    /// service says that it offers the capability.
    pub(super) async fn sockets(&self, address: &Address, deadline: Instant) -> Vec<PathBuf> {
        if let Some(service) = address.service {
            let socket = ServicePaths::new(&self.runtime_dir, service).api_socket();
            // As a rule a provider is here or it is not: then nothing more is to be done.
            return if std::fs::symlink_metadata(&socket).is_ok() { vec![socket] } else { Vec::new() };
        }
        let Ok(listed) = timeout_at(deadline, self.list()).await else { return Vec::new() };
        let wanted = (address.name.clone().into_owned(), address.version);
        listed.iter().filter(|neighbour| neighbour.offers.contains(&wanted)).map(|found| found.socket.clone()).collect()
    }

    async fn list(&self) -> Arc<[Neighbour]> {
        let mut listing = self.listing.lock().await;
        if let Some((made, listed)) = &*listing
            && made.elapsed() < LISTED
        {
            return Arc::clone(listed);
        }
        let folder = self.runtime_dir.clone();
        // The folder may be on a disk that hangs.
        let sockets = tokio::task::spawn_blocking(move || sockets_in(&folder)).await.unwrap_or_default();
        let mut asked = JoinSet::new();
        for socket in sockets {
            asked.spawn(timeout(TO_LIST, offers_at(socket)));
        }
        let answers = asked.join_all().await;
        let listed: Arc<[Neighbour]> = answers.into_iter().filter_map(|answer| answer.ok().flatten()).collect();
        *listing = Some((Instant::now(), Arc::clone(&listed)));
        listed
    }

    /// Calls the service at `socket`.
    pub(super) async fn call(
        &self,
        socket: &Path,
        address: &Address,
        headers: &Headers<'_>,
        body: Bytes,
        deadline: Instant,
        trail: &mut Trail,
    ) -> Place {
        let begun = Instant::now();
        let path = format!("/capabilities/{}", address.path());
        let request = request(Method::POST, &path, body).and_then(|mut request| {
            headers.put(request.headers_mut())?;
            Ok(request)
        });
        let sent = match request {
            Ok(request) => timeout_at(deadline, self.send(socket, request)).await,
            Err(error) => Ok(Err(Unsent::Nothing(error.to_string()))),
        };
        match sent {
            Err(_) => Place::TimedOut,
            Ok(Err(Unsent::Perhaps(why))) => Place::Lost(why),
            Ok(Err(Unsent::Nothing(why))) => {
                trail.add(Via::Box, None, begun, why);
                Place::Absent
            }
            Ok(Ok((status, body))) => read(status, body, begun, trail),
        }
    }

    /// One request and its response, on a connection that is there or on a new one.
    async fn send(&self, socket: &Path, mut request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Unsent> {
        if let Some(mut sender) = self.take(socket).await {
            match sender.try_send_request(request).await {
                Ok(response) => return self.finish(socket, sender, response).await,
                Err(mut error) => match error.take_message() {
                    // It died before it took anything of the request, and so probably did the others.
                    Some(unsent) => {
                        self.forget(socket);
                        request = unsent;
                    }
                    None => return Err(Unsent::Perhaps(error.into_error().to_string())),
                },
            }
        }
        let mut sender = connect(socket).await.map_err(|error| Unsent::Nothing(error.to_string()))?;
        match sender.try_send_request(request).await {
            Ok(response) => self.finish(socket, sender, response).await,
            Err(error) if error.message().is_some() => Err(Unsent::Nothing(error.into_error().to_string())),
            Err(error) => Err(Unsent::Perhaps(error.into_error().to_string())),
        }
    }

    async fn finish(
        &self,
        socket: &Path,
        sender: SendRequest<Full<Bytes>>,
        response: hyper::Response<hyper::body::Incoming>,
    ) -> Result<(StatusCode, Bytes), Unsent> {
        let read = whole(response).await.map_err(|error| Unsent::Perhaps(error.to_string()))?;
        self.keep(socket, sender);
        Ok(read)
    }

    /// A connection that nobody uses and that takes another request.
    async fn take(&self, socket: &Path) -> Option<SendRequest<Full<Bytes>>> {
        loop {
            let kept = self.kept().get_mut(socket)?.pop()?;
            let mut sender = kept.sender;
            if kept.since.elapsed() < KEPT && sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    fn keep(&self, socket: &Path, sender: SendRequest<Full<Bytes>>) {
        if sender.is_closed() {
            return;
        }
        let mut all = self.kept();
        let entry = Kept { sender, since: Instant::now() };
        if let Some(kept) = all.get_mut(socket) {
            kept.retain(|kept| kept.since.elapsed() < KEPT);
            if kept.len() < MOST_KEPT {
                kept.push(entry);
            }
            return;
        }
        if all.len() >= MOST_SERVICES {
            all.retain(|_, kept| kept.iter().any(|kept| kept.since.elapsed() < KEPT));
        }
        if all.len() < MOST_SERVICES {
            all.insert(socket.to_owned(), vec![entry]);
        }
    }

    /// How many connections are kept that their other end has not closed.
    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.kept().values().flatten().filter(|kept| !kept.sender.is_closed()).count()
    }

    fn forget(&self, socket: &Path) {
        self.kept().remove(socket);
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Vec<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a response means: an answer, or that the call was not taken.
pub(super) fn read(status: StatusCode, body: Bytes, begun: Instant, trail: &mut Trail) -> Place {
    if status.is_success() {
        return Place::Answered(Ok(Output::Json(body)));
    }
    let problem = match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => problem,
        Err(_) => return Place::Lost(format!("it answered {status}, which no service of this kind does")),
    };
    let was_let_in = problem.is_of_a_call();
    let error = problem.into_error();
    // A handler may pass on what another service said: only a call that was not let in did not run.
    let elsewhere = matches!(
        error.kind(),
        ErrorCode::Draining | ErrorCode::Unavailable | ErrorCode::UnknownCapability | ErrorCode::UnsupportedVersion
    );
    if !was_let_in && (elsewhere || status == StatusCode::MISDIRECTED_REQUEST) {
        trail.add(Via::Box, None, begun, error.to_string());
        return Place::Absent;
    }
    Place::Answered(Err(error))
}

async fn connect(socket: &Path) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = UnixStream::connect(socket).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the sender.
    tokio::spawn(connection);
    Ok(sender)
}

fn sockets_in(folder: &Path) -> Vec<PathBuf> {
    services_in(folder).into_iter().map(|(_, paths)| paths.api_socket()).collect()
}

#[derive(Deserialize)]
struct Listing<'a> {
    #[serde(borrow)]
    capabilities: Vec<Listed<'a>>,
}

#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    version: u16,
}

async fn offers_at(socket: PathBuf) -> Option<Neighbour> {
    let stream = UnixStream::connect(&socket).await.ok()?;
    let (_, body) = super::exchange(stream, Method::GET, "/capabilities", Bytes::new()).await.ok()?;
    let listing: Listing<'_> = serde_json::from_slice(&body).ok()?;
    let offers = listing.capabilities.into_iter().map(|listed| (listed.name.into_owned(), listed.version)).collect();
    Some(Neighbour { socket, offers })
}
