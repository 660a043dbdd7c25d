//! A running station: its socket, who is let in, and how it ends.

use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use macula_rust::handshake::RefusalCode;
use macula_rust::node_key::NodeKey;
use quinn::{Endpoint, Incoming, TokioRuntime, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::connection::{self, Connection, FAREWELL};
use crate::core::Core;
use crate::counts::{Counters, Refusal};
use crate::handshake::{self, LONGEST};
use crate::issued::{Issued, Subject};
use crate::leaf::Leaves;
use crate::nodes::Nodes;
use crate::pending::Pending;
use crate::realm::Realm;
use crate::records::Records;
use crate::{Counts, Faults, Limits, StationError, calls, clock, peer, reset, station_procedures, streams};

/// How often what has expired is thrown away; what expired is not found meanwhile.
const SWEPT: Duration = Duration::from_secs(60);
/// So many are told at once that they are not let in; others are only refused.
const TURNED_AWAY: usize = 16;

/// The keys of a station, both in one profile.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The station's identity: what clients pin.
    pub node: Arc<NodeKey>,
    /// The development realm's: an identity key, too, since it signs tokens.
    pub realm: Arc<NodeKey>,
}

/// What a station is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its keys.
    pub keys: Keys,
    /// The name of its realm, as tokens and procedures carry it, such as `hecate.local`.
    pub realm_name: String,
    /// Where it listens: on loopback; port 0 for any that is free.
    pub bind: SocketAddr,
    /// How much it holds.
    pub limits: Limits,
    /// How many zero bits the ids of its clients must start with. [`Options::new`] takes the SDK's own
    /// number; 0 is for tests that make many keys.
    pub puzzle_difficulty: u32,
    /// Orgs that its realm admits from the start: those that [`Station::orgs`] told of the station before, so that
    /// nobody has to claim anew what a successor takes over.
    pub orgs: Vec<String>,
}

impl Options {
    /// A station on any free port of 127.0.0.1, with default limits.
    pub fn new(keys: Keys, realm_name: impl Into<String>) -> Self {
        Self {
            keys,
            realm_name: realm_name.into(),
            bind: ([127, 0, 0, 1], 0).into(),
            limits: Limits::default(),
            puzzle_difficulty: macula_rust::node_key::PUZZLE_DIFFICULTY,
            orgs: Vec::new(),
        }
    }
}

/// A running station. Dropping it ends it, without a word to its clients.
pub struct Station {
    core: Arc<Core>,
    endpoint: Endpoint,
    address: SocketAddr,
    taking: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Station {
    /// Starts a station on the current tokio runtime.
    ///
    /// # Errors
    /// The address is taken or is not loopback, a key does not fit, or the realm cannot bear its name.
    pub async fn start(options: Options) -> Result<Self, StationError> {
        let Options { keys, realm_name, bind, limits, puzzle_difficulty, orgs } = options;
        if !bind.ip().is_loopback() {
            return Err(StationError::NotLoopback(bind));
        }
        let profile = keys.node.profile();
        if keys.realm.profile() != profile {
            return Err(StationError::ProfilesDiffer { node: profile.name(), realm: keys.realm.profile().name() });
        }
        let node_id = keys.node.node_id()?;
        // A key that cannot sign tokens is told here, not when the first is asked for.
        keys.realm.node_id()?;
        let realm = Realm::new(realm_name, orgs, limits.orgs)?;
        let leaves = Leaves::new(keys.node.clone(), limits)?;
        let listen = |source| StationError::Listen { address: bind, source };
        let socket = UdpSocket::bind(bind).map_err(listen)?;
        let address = socket.local_addr().map_err(listen)?;
        let config = leaves.at(clock::now_ms()).config.as_ref().clone();
        let endpoint = reset::endpoint_config(&keys.node)?;
        let endpoint = Endpoint::new(endpoint, Some(config), socket, Arc::new(TokioRuntime)).map_err(listen)?;

        let issued = Issued::new(&keys, (realm.id(), realm.name()), address)?;
        issued.add(Subject::Endpoint);
        let own_org = [realm.name().to_owned()];
        for org in realm.orgs().borrow().iter().chain(&own_org) {
            issued.add(Subject::Directory { org: org.clone() });
        }
        for name in station_procedures::of_realm(realm.name()) {
            issued.add(Subject::Procedure { name });
        }
        let nodes = Arc::new(Nodes::new(limits));
        let core = Arc::new(Core {
            profile,
            node_id,
            puzzle_difficulty,
            limits,
            counters: Counters::new(),
            faults: Faults::new(nodes.clone()),
            nodes,
            membership: std::sync::Mutex::new(()),
            pending: Pending::new(limits),
            records: Records::new(limits, profile),
            issued,
            realm,
            leaves,
            held_replies: calls::held_replies(limits.pending_calls),
            keys,
        });
        let taking = Arc::new(AtomicBool::new(true));
        let tasks = vec![
            tokio::spawn(accept(core.clone(), endpoint.clone(), taking.clone())),
            tokio::spawn(sweep(Arc::downgrade(&core))),
        ];
        Ok(Self { core, endpoint, address, taking, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its clients pin.
    pub fn node_id(&self) -> [u8; 32] {
        self.core.node_id
    }

    /// The id of its realm: SHA-256 of the realm's name.
    pub fn realm_id(&self) -> [u8; 32] {
        self.core.realm.id()
    }

    /// The realm's public key as carried, for clients to trust.
    pub fn realm_key(&self) -> Vec<u8> {
        self.core.keys.realm.public_key()
    }

    /// The orgs that its realm admits, in order, as they come.
    pub fn orgs(&self) -> watch::Receiver<Vec<String>> {
        self.core.realm.orgs()
    }

    /// What it holds and did.
    pub fn counts(&self) -> Counts {
        self.core.counts()
    }

    /// The knobs that make it misbehave.
    pub fn faults(&self) -> &Faults {
        &self.core.faults
    }

    /// Takes no more connections: who dials is refused at once. Those that are go on.
    pub async fn refuse_new(&self) {
        self.taking.store(false, Ordering::Release);
    }

    /// Ends every connection with a goodbye, and the station, within two seconds.
    pub async fn close(self) {
        self.refuse_new().await;
        let mut leaving = JoinSet::new();
        for connection in self.core.nodes.connections() {
            leaving.spawn(async move { connection.say_goodbye("station_stop").await });
        }
        leaving.join_all().await;
        self.endpoint.close(VarInt::from_u32(0), b"station_stop");
        let _ = timeout(FAREWELL, self.endpoint.wait_idle()).await;
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.endpoint.close(VarInt::from_u32(0), b"station_stop");
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for Station {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Station").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn sweep(core: Weak<Core>) {
    let mut due = tokio::time::interval(SWEPT);
    loop {
        due.tick().await;
        let Some(core) = core.upgrade() else { return };
        core.sweep();
    }
}

async fn accept(core: Arc<Core>, endpoint: Endpoint, taking: Arc<AtomicBool>) {
    let places = Arc::new(Semaphore::new(core.limits.connections.min(Semaphore::MAX_PERMITS)));
    let doors = Arc::new(Semaphore::new(TURNED_AWAY));
    while let Some(incoming) = endpoint.accept().await {
        core.faults.thawed().await;
        if !taking.load(Ordering::Acquire) {
            incoming.refuse();
            continue;
        }
        let turned_away = match (peer::is_ours(incoming.remote_address()), places.clone().try_acquire_owned()) {
            (Ok(()), Ok(place)) => {
                tokio::spawn(welcome(core.clone(), incoming, place));
                continue;
            }
            (Ok(()), Err(_)) => TOO_MANY,
            (Err(Some(user)), _) => {
                tracing::warn!(user, "the station refused a connection of another user");
                ANOTHER_USER
            }
            (Err(None), _) => {
                tracing::debug!("the station refused a connection whose other end is not on this box any more");
                ANOTHER_USER
            }
        };
        core.counters.refuse(turned_away.refusal);
        match doors.clone().try_acquire_owned() {
            Ok(door) => drop(tokio::spawn(turn_away(core.clone(), incoming, turned_away, door))),
            Err(_) => incoming.refuse(),
        }
    }
}

/// Why a client is not let in: as it is counted, by the handshake's code, and in words.
#[derive(Clone, Copy)]
struct TurnedAway {
    refusal: Refusal,
    code: RefusalCode,
    reason: &'static str,
}

/// To be tried again: the code is that of a station that cannot keep up.
const TOO_MANY: TurnedAway = TurnedAway {
    refusal: Refusal::TooManyConnections,
    code: RefusalCode::SessionProofRate,
    reason: "this station has as many connections as it takes",
};

const ANOTHER_USER: TurnedAway = TurnedAway {
    refusal: Refusal::AnotherUser,
    code: RefusalCode::NotAccepted,
    reason: "this station is of another user of this box",
};

/// Lets a client finish its part of TLS, since only then a reason can reach it.
async fn turn_away(core: Arc<Core>, incoming: Incoming, why: TurnedAway, door: OwnedSemaphorePermit) {
    let leaf = core.leaves.at(clock::now_ms());
    if let Ok(connecting) = incoming.accept_with(leaf.config.clone())
        && let Ok(Ok(quic)) = timeout(FAREWELL, connecting).await
    {
        handshake::turn_away(&core, &quic, why.code).await;
        quic.close(VarInt::from_u32(1), why.reason.as_bytes());
    }
    drop(door);
}

/// Shakes hands with a client and serves it until it leaves.
async fn welcome(core: Arc<Core>, incoming: Incoming, place: OwnedSemaphorePermit) {
    let leaf = core.leaves.at(clock::now_ms());
    let greeting = async {
        let quic = incoming.accept_with(leaf.config.clone())?.await?;
        let greeted = handshake::greet(&core, &quic, leaf.clone()).await;
        if let Err(error) = &greeted {
            quic.close(VarInt::from_u32(1), error.to_string().as_bytes());
        }
        greeted.map(|greeted| (quic, greeted))
    };
    match timeout(LONGEST, greeting).await {
        Ok(Ok((quic, greeted))) => serve(&core, quic, greeted).await,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a client was not let in");
            core.counters.refuse(Refusal::Handshake);
        }
        Err(_) => core.counters.refuse(Refusal::Handshake),
    }
    drop(place);
}

async fn serve(core: &Arc<Core>, quic: quinn::Connection, greeted: handshake::Greeted) {
    let (connection, ends) = Connection::new(quic, greeted, &core.limits);
    if let Some(before) = core.join(connection.clone()) {
        tokio::spawn(async move { before.say_goodbye("superseded").await });
    }
    let streams = tokio::spawn(streams::accept(core.clone(), connection.clone()));
    connection::serve(core, &connection, ends).await;
    streams.abort();
    core.leave(&connection);
}
