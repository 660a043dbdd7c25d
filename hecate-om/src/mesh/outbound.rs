//! Calls over the mesh: to a provider that is likely to answer, to another one where it is certain that
//! nothing ran, and never longer than the caller waits.
//!
//! The SDK would do the choosing, too: it takes the freshest advertisement and remembers it, so that one
//! provider gets all calls and a dead one goes on getting them.

mod balance;
mod candidates;
mod outcome;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use self::balance::Balance;
use self::candidates::{Candidates, FRESH, MISSED};
use self::outcome::{Cause, Outcome};
use self::wire::{OnLinks, Request, Wire};
use super::announce::Memory;
use super::link::Links;
use super::metadata::Metadata;
use crate::capability::{CapabilityError, ErrorCode, Kind, Output, Via};
use crate::client::{
    Address, Announced, CallError, Carrying, Delivered, Mesh, Open, Opened, Outgoing, refused, timed_out,
};
use crate::node_id::NodeId;

/// How many providers are asked for one call.
pub(crate) const MOST_ATTEMPTS: usize = 8;
/// How many procedures are remembered that ask for a token.
const MOST_GATED: usize = 4096;
/// Whoever does not answer for so long has failed; a caller in more of a hurry learns nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// The token that a service has for a procedure.
pub(crate) type TokenSource = Arc<dyn Fn(&str) -> Option<Arc<[u8]>> + Send + Sync>;

/// The calls of this node over the mesh.
pub(crate) struct Outbound {
    wire: Box<dyn Wire>,
    candidates: Candidates,
    balance: Arc<Balance>,
    tokens: Option<TokenSource>,
    /// What refused a call without a token.
    gated: Mutex<HashSet<Arc<str>>>,
    /// What others announced, for whoever has to find out why nobody is found.
    memory: Arc<Memory>,
}

impl Outbound {
    /// Over the `links`, which live on those `threads`.
    pub(crate) fn new(
        links: Arc<Links>,
        threads: Handle,
        tokens: Option<TokenSource>,
        memory: Arc<Memory>,
    ) -> Arc<Self> {
        Arc::new(Self { memory, ..Self::over(Box::new(OnLinks { links, threads }), tokens) })
    }

    fn over(wire: Box<dyn Wire>, tokens: Option<TokenSource>) -> Self {
        let (candidates, balance, gated) = (Candidates::default(), Arc::default(), Mutex::default());
        Self { wire, candidates, balance, tokens, memory: Arc::default(), gated }
    }

    fn held(&self, procedure: &str) -> Option<Arc<[u8]>> {
        self.tokens.as_ref().and_then(|token_for| token_for(procedure))
    }

    fn gated(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.gated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember_gate(&self, procedure: &Arc<str>) {
        let mut gated = self.gated();
        if gated.len() >= MOST_GATED {
            // What is forgotten is asked for once more.
            gated.clear();
        }
        gated.insert(Arc::clone(procedure));
    }
}

impl Mesh for Outbound {
    fn open<'a>(&'a self, open: Open<'a>, pin: Option<NodeId>, was_sought_nearby: bool) -> Carrying<'a, Opened> {
        Box::pin(stream::open(self, open, pin, was_sought_nearby))
    }

    fn who_could_serve(&self, address: &Address) -> Vec<Announced> {
        self.memory.who_could_serve(&address.procedure(), Instant::now())
    }

    fn lookup(&self, node: NodeId) -> Option<Announced> {
        self.memory.lookup(node, Instant::now())
    }

    fn call<'a>(&'a self, outgoing: Outgoing<'a>) -> Carrying<'a, Delivered> {
        Box::pin(async move { Bringing::new(self, outgoing).bring().await })
    }

    fn providers<'a>(&'a self, address: &'a Address) -> Carrying<'a, Vec<NodeId>> {
        Box::pin(async move {
            let procedure = address.procedure().into();
            match self.candidates.of(&procedure, FRESH, &*self.wire).await {
                Ok(found) => Ok(found.to_vec()),
                Err(error) => Err(CallError::NotOnMesh {
                    capability: address.to_string(),
                    causes: causes(Outcome::of(Err(error))),
                    attempts: Default::default(),
                }),
            }
        })
    }
}

/// One call on its way.
struct Bringing<'a> {
    outbound: &'a Outbound,
    call: Outgoing<'a>,
    procedure: Arc<str>,
    token: Option<Arc<[u8]>>,
    tried: Vec<NodeId>,
    /// How old may be what is known of providers.
    at_most: Duration,
    /// What to say when there is nobody left to try.
    end: End,
}

/// How a call ends that nobody answered.
enum End {
    Nobody,
    NotReached,
    Busy(CapabilityError),
    TimedOut,
    Lost(String),
}

/// Whether there is a next attempt.
enum Step {
    Done(Delivered),
    Again,
}

impl<'a> Bringing<'a> {
    fn new(outbound: &'a Outbound, mut call: Outgoing<'a>) -> Self {
        let procedure: Arc<str> = call.address.procedure().into();
        let token = call.token.take().or_else(|| {
            // A reference tells nothing of access: what it needs is learnt.
            let is_gated = call.address.service.is_some() && !call.address.is_open;
            let is_needed = is_gated || outbound.gated().contains(&procedure);
            is_needed.then(|| outbound.held(&procedure)).flatten()
        });
        Self { outbound, call, procedure, token, tried: Vec::new(), at_most: FRESH, end: End::Nobody }
    }

    async fn bring(mut self) -> Result<Delivered, CallError> {
        for _ in 0..MOST_ATTEMPTS {
            let known = self.known().await?;
            let Some(provider) = self.choose(&known)? else { break };
            let others = known.iter().any(|node| *node != provider && !self.tried.contains(node));
            match self.attempt(provider, others && self.call.pin.is_none()).await? {
                Step::Done(delivered) => return Ok(delivered),
                Step::Again => {}
            }
        }
        Err(self.ended())
    }

    /// Who provides it.
    async fn known(&mut self) -> Result<Arc<[NodeId]>, CallError> {
        let begun = Instant::now();
        let (candidates, wire) = (&self.outbound.candidates, &*self.outbound.wire);
        let mut asked = timeout_at(self.call.deadline, candidates.of(&self.procedure, self.at_most, wire)).await;
        // Who is called by name may have come since.
        if let (Ok(Ok(known)), Some(pin)) = (&asked, self.call.pin)
            && !known.contains(&pin)
        {
            asked = timeout_at(self.call.deadline, candidates.of(&self.procedure, MISSED, wire)).await;
        }
        match asked {
            Ok(Ok(known)) => Ok(known),
            Ok(Err(error)) => match Outcome::of(Err(error)) {
                // A provider said when to come again: that tells more than that no other is known.
                _ if matches!(self.end, End::Busy(_)) => Ok(Arc::from([])),
                Outcome::TimedOut => Err(self.too_late(begun)),
                other => Err(CallError::NotOnMesh {
                    capability: self.call.address.to_string(),
                    causes: causes(other),
                    attempts: std::mem::take(&mut self.call.trail).ended(),
                }),
            },
            Err(_) => Err(self.too_late(begun)),
        }
    }

    fn too_late(&mut self, begun: Instant) -> CallError {
        self.call.trail.add(Via::Mesh, None, begun, "no station said in time who provides it");
        timed_out(self.call.address, self.call.begun, std::mem::take(&mut self.call.trail))
    }

    /// Whom to ask next.
    fn choose(&mut self, known: &[NodeId]) -> Result<Option<NodeId>, CallError> {
        match self.call.pin {
            None => Ok(self.outbound.balance.choose(known, &self.tried)),
            Some(pin) if self.tried.contains(&pin) => Ok(None),
            Some(pin) if known.contains(&pin) => Ok(Some(pin)),
            Some(node) => {
                let now = Instant::now();
                if let Some(origin) = self.outbound.memory.lookup(node, now) {
                    let what = format!("it is `{}`, and does not advertise this", origin.service);
                    self.call.trail.add(Via::Mesh, Some(node), now, what);
                }
                Err(CallError::PinNotFound {
                    capability: self.call.address.to_string(),
                    node,
                    attempts: std::mem::take(&mut self.call.trail).ended(),
                })
            }
        }
    }

    async fn attempt(&mut self, provider: NodeId, others: bool) -> Result<Step, CallError> {
        let begun = Instant::now();
        let left = self.call.deadline.saturating_duration_since(begun);
        if left.is_zero() {
            return Err(timed_out(self.call.address, self.call.begun, std::mem::take(&mut self.call.trail)));
        }
        // What may be done twice leaves time for another provider.
        let timeout = if self.call.address.is_idempotent && others { left / 2 } else { left };
        let request = self.request(provider, left, timeout)?;
        let outstanding = self.outbound.balance.begin(provider);
        let outcome = Outcome::of(self.outbound.wire.call(request, outstanding).await);
        self.settle(provider, begun, outcome)
    }

    fn request(&mut self, provider: NodeId, left: Duration, timeout: Duration) -> Result<Request, CallError> {
        let mut payload = self.call.request.value().map_err(CallError::Request)?;
        let metadata = Metadata {
            hops: self.call.hops,
            traceparent: Some(self.call.trace.traceparent()),
            deadline_ms: u64::try_from(left.as_millis()).ok(),
            stream: None,
        };
        metadata.put(&mut payload);
        let (procedure, token) = (Arc::clone(&self.procedure), self.token.clone());
        Ok(Request { procedure, provider, payload, timeout, token, kind: Kind::Unary, grants: None })
    }

    /// What the outcome of an attempt means for the call.
    fn settle(&mut self, provider: NodeId, begun: Instant, outcome: Outcome) -> Result<Step, CallError> {
        let balance = &self.outbound.balance;
        let took = |call: &mut Outgoing<'_>, what: &str| call.trail.add(Via::Mesh, Some(provider), begun, what);
        match outcome {
            Outcome::Reply(reply) => {
                balance.answered(provider);
                let trail = std::mem::take(&mut self.call.trail);
                let (via, provider) = (Via::Mesh, Some(provider));
                Ok(Step::Done(Delivered { reply: Output::Value(reply), via, provider, trail }))
            }
            Outcome::Refused(error) => {
                balance.answered(provider);
                took(&mut self.call, &error.to_string());
                Err(refused(error, std::mem::take(&mut self.call.trail)))
            }
            Outcome::Unauthorized => {
                balance.answered(provider);
                if self.token.is_none()
                    && let Some(token) = self.outbound.held(&self.procedure)
                {
                    took(&mut self.call, "it asks for a token");
                    self.outbound.remember_gate(&self.procedure);
                    self.token = Some(token);
                    return Ok(Step::Again);
                }
                let error = unauthorized(self.call.address, self.token.is_some());
                took(&mut self.call, &error.to_string());
                Err(refused(error, std::mem::take(&mut self.call.trail)))
            }
            Outcome::NotRun(cause) => {
                self.tried.push(provider);
                balance.failed(provider);
                match cause {
                    Cause::Gone(why) => {
                        took(&mut self.call, &why);
                        // What is known is wrong: ask again.
                        self.at_most = MISSED;
                        self.end.may_be(End::NotReached);
                    }
                    Cause::Busy(error) => {
                        took(&mut self.call, &error.to_string());
                        self.end.may_be(End::Busy(error));
                    }
                    Cause::Other(why) => {
                        took(&mut self.call, &why);
                        self.end.may_be(End::NotReached);
                    }
                }
                Ok(Step::Again)
            }
            Outcome::Unsendable(what) => Err(CallError::Request(CapabilityError::invalid_request(what))),
            Outcome::NoLink(causes) => Err(CallError::NotOnMesh {
                capability: self.call.address.to_string(),
                causes,
                attempts: std::mem::take(&mut self.call.trail).ended(),
            }),
            Outcome::TimedOut => {
                if begun.elapsed() >= PATIENCE {
                    balance.failed(provider);
                }
                took(&mut self.call, "it did not answer in time");
                self.uncertain(provider, End::TimedOut)
            }
            Outcome::Unknown(why) => {
                balance.failed(provider);
                took(&mut self.call, &why);
                self.uncertain(provider, End::Lost(why))
            }
        }
    }

    /// After an attempt that may have run, only what may be done twice is tried again.
    fn uncertain(&mut self, provider: NodeId, end: End) -> Result<Step, CallError> {
        self.tried.push(provider);
        self.end = end;
        if self.call.address.is_idempotent { Ok(Step::Again) } else { Err(self.end()) }
    }

    fn ended(mut self) -> CallError {
        self.end()
    }

    /// The error of a call that nobody answered.
    fn end(&mut self) -> CallError {
        let trail = std::mem::take(&mut self.call.trail);
        let capability = self.call.address.to_string();
        match std::mem::replace(&mut self.end, End::Nobody) {
            End::Nobody => {
                let announced = self.outbound.memory.who_could_serve(&self.procedure, Instant::now());
                let looked = looked(&self.call, announced.first());
                CallError::NoProvider { capability, looked, attempts: trail.ended() }
            }
            End::NotReached => CallError::NotReached { capability, attempts: trail.ended() },
            End::Busy(error) => refused(error, trail),
            End::TimedOut => timed_out(self.call.address, self.call.begun, trail),
            End::Lost(why) => CallError::lost(why, trail.ended()),
        }
    }
}

impl End {
    /// Where an earlier attempt may have run, that is what the caller has to know.
    fn may_be(&mut self, later: End) {
        if !matches!(self, End::TimedOut | End::Lost(_)) {
            *self = later;
        }
    }
}

/// Where a provider was looked for, and what helps.
fn looked(call: &Outgoing<'_>, announced: Option<&Announced>) -> String {
    let nearby = if call.was_sought_nearby { "it runs neither in this process nor on this box, and " } else { "" };
    let help = match call.address.service {
        Some(service) => format!("start `{service}`, or name its org with HECATE_PEERS={service}=<org>"),
        None => format!("look whether org `{}` is the right one, and its service runs", call.address.org),
    };
    match announced {
        None => format!("{nearby}nobody advertises it on the mesh; help: {help}"),
        Some(Announced { node, service, .. }) => format!(
            "{nearby}nobody advertises it on the mesh, although `{service}` at node {node} announced it; help: look at the health of that service"
        ),
    }
}

fn unauthorized(address: &Address, had_token: bool) -> CapabilityError {
    let why = if had_token {
        "the provider does not take the token of this call"
    } else {
        "the provider asks for a token, and this service holds none for it"
    };
    let help = format!("help: let the realm grant `call:{address}`, or declare the capability `access = open`");
    CapabilityError::new(ErrorCode::Unauthorized, format!("{why}; {help}"))
}

/// Why nobody could be asked.
fn causes(outcome: Outcome) -> Vec<String> {
    match outcome {
        Outcome::NoLink(causes) => causes,
        Outcome::NotRun(Cause::Gone(why) | Cause::Other(why)) | Outcome::Unknown(why) | Outcome::Unsendable(why) => {
            vec![why]
        }
        Outcome::NotRun(Cause::Busy(error)) | Outcome::Refused(error) => vec![error.to_string()],
        Outcome::TimedOut => vec!["no station answered in time".to_owned()],
        Outcome::Unauthorized | Outcome::Reply(_) => vec!["a station answered something else".to_owned()],
    }
}
