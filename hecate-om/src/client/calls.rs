//! Where a call goes: this process, this box, the mesh, in that order, under one deadline.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
#[cfg(feature = "macula")]
use std::pin::Pin;
use std::sync::Arc;
#[cfg(feature = "macula")]
use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;

use super::calling::{DEFAULT_TIMEOUT, Plan};
use super::local::{Headers, Neighbours};
use super::message::Encode;
#[cfg(feature = "macula")]
use super::open::{Open, Opened};
use super::process::{self, Entry, Registration};
use super::reference::is_declared;
use super::trail::Trail;
use super::{Address, Announced, CallError};
use crate::capability::{Capability, CapabilityError, ErrorCode, MAX_HOPS, Output, Trace, Via};
use crate::config::mesh::Resolve;
use crate::dispatch::Dispatch;
use crate::guard::warrant::{Token, Warrant};
use crate::node_id::NodeId;
use crate::service::ServiceInfo;

/// What a service's calls go by.
#[derive(Debug)]
pub(crate) struct CallSettings {
    /// The org of the service itself.
    pub(crate) org: String,
    /// The orgs of services that are not found under their own names.
    pub(crate) peers: BTreeMap<String, String>,
    pub(crate) resolve: Resolve,
    /// The realm, if the service is in one. Where both sides have one, it must be the same.
    pub(crate) realm: Option<[u8; 32]>,
    /// The box, as services know it: those of one runtime folder find each other.
    pub(crate) runtime_dir: PathBuf,
}

/// What a place said to a call.
pub(super) enum Place {
    /// It is the place: this is what came.
    Answered(Result<Output, CapabilityError>),
    /// It took the call, and there was no answer before the deadline.
    TimedOut,
    /// It took the call, and nobody knows what came of it.
    Lost(String),
    /// Nobody there took the call.
    Absent,
}

/// A reply and where it came from, before its type is known.
pub(crate) struct Delivered {
    pub(crate) reply: Output,
    pub(crate) via: Via,
    pub(crate) provider: Option<NodeId>,
    /// What was tried before.
    pub(crate) trail: Trail,
}

/// A call for the mesh.
#[cfg(feature = "macula")]
pub(crate) struct Outgoing<'a> {
    pub(crate) address: &'a Address,
    pub(crate) request: &'a mut dyn Encode,
    pub(crate) hops: u8,
    pub(crate) trace: &'a Trace,
    pub(crate) begun: Instant,
    pub(crate) deadline: Instant,
    pub(crate) pin: Option<NodeId>,
    pub(crate) token: Option<Arc<[u8]>>,
    /// Whether it was looked for in this process and on this box first.
    pub(crate) was_sought_nearby: bool,
    pub(crate) trail: Trail,
}

#[cfg(feature = "macula")]
pub(crate) type Carrying<'a, T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send + 'a>>;

/// The mesh, as calls see it.
#[cfg(feature = "macula")]
pub(crate) trait Mesh: Send + Sync {
    /// Brings a call to a provider.
    fn call<'a>(&'a self, outgoing: Outgoing<'a>) -> Carrying<'a, Delivered>;

    /// Opens a stream at a provider: at the node `pin` if it is given.
    fn open<'a>(&'a self, open: Open<'a>, pin: Option<NodeId>, was_sought_nearby: bool) -> Carrying<'a, Opened>;

    /// Who advertises what is at `address`.
    fn providers<'a>(&'a self, address: &'a Address) -> Carrying<'a, Vec<NodeId>>;

    /// Who announced that it may serve what is at `address`, from memory.
    fn who_could_serve(&self, address: &Address) -> Vec<Announced>;

    /// What a node announced of itself, from memory.
    fn lookup(&self, node: NodeId) -> Option<Announced>;
}

/// The outgoing calls of one service.
#[doc(hidden)]
pub struct Calls {
    service: &'static ServiceInfo,
    pub(crate) settings: CallSettings,
    pub(super) neighbours: Neighbours,
    #[cfg(feature = "macula")]
    mesh: OnceLock<Arc<dyn Mesh>>,
}

impl Calls {
    pub(crate) fn new(service: &'static ServiceInfo, settings: CallSettings) -> Arc<Self> {
        let neighbours = Neighbours::new(settings.runtime_dir.clone());
        Arc::new(Self {
            service,
            settings,
            neighbours,
            #[cfg(feature = "macula")]
            mesh: OnceLock::new(),
        })
    }

    /// Those of a service that makes none.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn none_of(service: &'static ServiceInfo) -> Arc<Self> {
        let settings = CallSettings {
            org: service.name.to_owned(),
            peers: BTreeMap::new(),
            resolve: Resolve::Nearest,
            realm: None,
            runtime_dir: PathBuf::new(),
        };
        Self::new(service, settings)
    }

    /// From now on calls reach the mesh, too.
    #[cfg(feature = "macula")]
    pub(crate) fn join_mesh(&self, mesh: Arc<dyn Mesh>) {
        // It is joined once, by the boot.
        let _ = self.mesh.set(mesh);
    }

    /// Lets other services of this process call this one, as long as the registration is kept.
    pub(crate) fn offer(&self, dispatch: Arc<Dispatch>) -> Registration {
        process::register(Entry {
            org: self.settings.org.clone(),
            realm: self.settings.realm,
            runtime_dir: self.settings.runtime_dir.clone(),
            dispatch,
        })
    }

    pub(super) fn address_of<S, R, T>(&self, capability: &Capability<S, R, T>) -> Address {
        Address {
            org: self.org_of(capability.provider()),
            name: Cow::Borrowed(capability.name()),
            version: capability.version(),
            service: Some(capability.provider()),
            is_idempotent: capability.is_idempotent(),
            is_open: capability.is_open(),
        }
    }

    /// The org in which a service is found.
    fn org_of(&self, service: &'static str) -> Cow<'static, str> {
        if service == self.service.name {
            return Cow::Owned(self.settings.org.clone());
        }
        self.settings.peers.get(service).map_or(Cow::Borrowed(service), |org| Cow::Owned(org.clone()))
    }

    /// The service that calls.
    pub(super) fn service_name(&self) -> &'static str {
        self.service.name
    }

    /// Who advertises a capability on the mesh, now.
    pub(crate) async fn providers<S, R, T>(&self, capability: Capability<S, R, T>) -> Result<Vec<NodeId>, CallError> {
        let address = self.address_of(&capability);
        #[cfg(feature = "macula")]
        if let Some(mesh) = self.mesh.get() {
            return mesh.providers(&address).await;
        }
        Err(not_on_mesh(&address, Trail::default()))
    }

    /// Who announced that it may serve a capability.
    pub(crate) fn who_could_serve<S, R, T>(&self, capability: &Capability<S, R, T>) -> Vec<Announced> {
        #[cfg(feature = "macula")]
        if let Some(mesh) = self.mesh.get() {
            return mesh.who_could_serve(&self.address_of(capability));
        }
        let _ = capability;
        Vec::new()
    }

    /// What a node announced of itself.
    pub(crate) fn lookup(&self, node: NodeId) -> Option<Announced> {
        #[cfg(feature = "macula")]
        if let Some(mesh) = self.mesh.get() {
            return mesh.lookup(node);
        }
        let _ = node;
        None
    }

    /// The mesh, once it is joined.
    #[cfg(feature = "macula")]
    pub(super) fn mesh(&self) -> Option<&dyn Mesh> {
        self.mesh.get().map(AsRef::as_ref)
    }

    /// Whether a call may be made at all.
    pub(super) fn check(&self, plan: &Plan) -> Result<(), CallError> {
        let Plan { address, cause, is_by_reference, .. } = plan;
        if *is_by_reference && !is_declared(address, self.service, &self.settings.org, |service| self.org_of(service)) {
            return Err(CallError::Undeclared {
                service: self.service.name,
                declaration: format!("\"{}/{}\" = {}", address.org, address.name, address.version),
                capability: address.to_string(),
            });
        }
        if cause.hops > MAX_HOPS {
            return Err(CallError::TooManyHops { capability: address.to_string(), most: MAX_HOPS });
        }
        Ok(())
    }

    /// Brings a call to the nearest provider, and its reply back.
    pub(super) async fn carry(&self, plan: Plan, request: &mut dyn Encode) -> Result<Delivered, CallError> {
        self.check(&plan)?;
        let Plan { address, cause, pin, timeout, token, .. } = plan;
        let begun = Instant::now();
        let deadline = deadline(begun, cause.deadline, timeout);
        let mut trail = Trail::default();
        // A node is pinned by what it proves to be, which only the mesh asks for.
        let was_sought_nearby = pin.is_none() && self.settings.resolve == Resolve::Nearest;
        if was_sought_nearby {
            let (hops, trace, token) = (cause.hops, &cause.trace, token.as_deref());
            let nearby = Nearby { calls: self, address: &address, hops, trace, deadline, token };
            if let Some(found) = nearby.find(begun, request, &mut trail).await {
                return found;
            }
        }
        #[cfg(feature = "macula")]
        if let Some(mesh) = self.mesh.get() {
            let outgoing = Outgoing {
                address: &address,
                request,
                hops: cause.hops,
                trace: &cause.trace,
                begun,
                deadline,
                pin,
                token,
                was_sought_nearby,
                trail,
            };
            return mesh.call(outgoing).await;
        }
        Err(not_on_mesh(&address, trail))
    }
}

pub(super) fn not_on_mesh(address: &Address, trail: Trail) -> CallError {
    let causes = vec![
        "the mesh is off, or was not joined yet; help: start the provider on this box, or look at HECATE_MESH"
            .to_owned(),
    ];
    CallError::NotOnMesh { capability: address.to_string(), causes, attempts: trail.ended() }
}

pub(super) fn deadline(begun: Instant, parent: Option<Instant>, timeout: Option<Duration>) -> Instant {
    // A time so long that no clock holds it is no limit.
    let own = |timeout: Duration| begun.checked_add(timeout);
    match (parent, timeout) {
        (Some(parent), None) => parent,
        (Some(parent), Some(timeout)) => own(timeout).map_or(parent, |own| own.min(parent)),
        (None, timeout) => own(timeout.unwrap_or(DEFAULT_TIMEOUT)).unwrap_or_else(|| begun + DEFAULT_TIMEOUT),
    }
}

/// A call that looks for a provider on this box.
struct Nearby<'a> {
    calls: &'a Calls,
    address: &'a Address,
    hops: u8,
    trace: &'a Trace,
    deadline: Instant,
    token: Option<&'a [u8]>,
}

impl Nearby<'_> {
    /// What came of the call, if there is a provider in this process or on this box.
    async fn find(
        &self,
        begun: Instant,
        request: &mut dyn Encode,
        trail: &mut Trail,
    ) -> Option<Result<Delivered, CallError>> {
        let mut json = None;
        let here = process::find(self.address, &self.calls.settings);
        if !here.is_empty() {
            let body = match request.json() {
                Ok(body) => body,
                Err(error) => return Some(Err(CallError::Request(error))),
            };
            json = Some(body.clone());
            let attempt = Instant::now();
            let token = self.token.map(|token| Token::new(token.to_vec()));
            let caller = Warrant::Process { service: self.calls.service.name, token };
            let place = process::call(here, caller, self.hops, self.trace, body, self.deadline, trail).await;
            if let Some(end) = self.end(place, Via::Process, begun, attempt, trail) {
                return Some(end);
            }
        }
        let headers = Headers {
            org: Some(&self.address.org),
            realm: self.calls.settings.realm.as_ref(),
            hops: self.hops,
            trace: self.trace,
            deadline: Some(self.deadline),
            token: self.token,
        };
        for socket in self.calls.neighbours.sockets(self.address, self.deadline).await {
            let body = match json.take().map_or_else(|| request.json(), Ok) {
                Ok(body) => body,
                Err(error) => return Some(Err(CallError::Request(error))),
            };
            let attempt = Instant::now();
            let place = self.calls.neighbours.call(&socket, self.address, &headers, body, self.deadline, trail).await;
            if let Some(end) = self.end(place, Via::Box, begun, attempt, trail) {
                return Some(end);
            }
        }
        None
    }

    /// What the call came to, unless it is to go on.
    fn end(
        &self,
        place: Place,
        via: Via,
        begun: Instant,
        attempt: Instant,
        trail: &mut Trail,
    ) -> Option<Result<Delivered, CallError>> {
        match place {
            Place::Answered(Ok(reply)) => {
                Some(Ok(Delivered { reply, via, provider: None, trail: std::mem::take(trail) }))
            }
            // The provider gave up because this side had no more time.
            Place::Answered(Err(error)) if *error.kind() == ErrorCode::Timeout && Instant::now() >= self.deadline => {
                self.end(Place::TimedOut, via, begun, attempt, trail)
            }
            Place::Answered(Err(error)) => {
                trail.add(via, None, attempt, error.to_string());
                Some(Err(refused(error, std::mem::take(trail))))
            }
            Place::TimedOut => {
                trail.add(via, None, attempt, "it did not answer in time");
                Some(Err(timed_out(self.address, begun, std::mem::take(trail))))
            }
            // What may be done twice goes on.
            Place::Lost(why) => {
                trail.add(via, None, attempt, why.clone());
                (!self.address.is_idempotent).then(|| Err(CallError::lost(why, std::mem::take(trail).ended())))
            }
            Place::Absent => None,
        }
    }
}

/// A refusal as it came; how it came is its cause.
pub(crate) fn refused(error: CapabilityError, trail: Trail) -> CallError {
    CallError::Refused(error.caused_by(trail.ended()))
}

pub(crate) fn timed_out(address: &Address, begun: Instant, trail: Trail) -> CallError {
    CallError::Timeout { capability: address.to_string(), after: begun.elapsed(), attempts: trail.ended() }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Calls({})", self.service.name)
    }
}
