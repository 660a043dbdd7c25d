//! The links of this node to stations: dialed in the background, for ever, and told as they come and go.

mod probe;
mod table;

use std::sync::Arc;
use std::time::Duration;

use macula_rust::node_key::NodeKey;
use macula_rust::pool::{Opts, Pool, PoolError, Seed};
use macula_rust::station_link::AdmissionLimits;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::capability::{CapabilityInfo, Kind};
use crate::config::mesh::{Realm, Station};
use crate::guard::limits::MOST_BYTES;
use crate::guard::{Limits, Rate};
use crate::node_id::NodeId;
use crate::random;

pub(crate) use self::table::Table;
use super::refusal::Trouble;

/// How long a first link is waited for before dialing begins anew.
const CONNECT: Duration = Duration::from_secs(10);

/// How long dialing rests after it failed, at first and at most.
const REST: Duration = Duration::from_millis(250);
const MOST_REST: Duration = Duration::from_secs(10);

/// How long it rests when somebody has to do something first.
const PERMANENT_REST: Duration = Duration::from_secs(15);

/// By how much of a hundred rests differ, so that the nodes of a station that comes back do not all come
/// at once.
const JITTER: u32 = 30;

/// How long links may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long the SDK remembers a call, so that none runs twice: five minutes past its deadline, which is 30
/// seconds ahead unless its caller says otherwise.
const REMEMBERED_SECONDS: u32 = 330;

/// How many calls are remembered that came by one station, and of all: as many as two processors can verify,
/// some 200 each second. The SDK looks through all of them at every new one.
const MOST_BY_STATION: usize = 65_536;
pub(crate) const MOST_REMEMBERED: usize = 131_072;

/// How many streams one node has open here, and all together, at most. None of them has fewer than the SDK gives.
pub(crate) const MOST_SESSIONS_OF_ONE: usize = 256;
pub(crate) const MOST_SESSIONS: usize = 4096;

/// The part of all places for streams that one node may have.
const PART_OF_ONE: usize = 16;

/// How much of what streams bring is held that nobody has read.
const MOST_UNREAD: usize = 256 * 1024 * 1024;

/// What the SDK lets in before any guard sees it. Its own numbers would refuse the 257th call of a caller within
/// that time, and the 17th stream: these let pass what the guard of the largest capability does, within bounds.
pub(crate) fn admission(capabilities: &[CapabilityInfo]) -> AdmissionLimits {
    let own = AdmissionLimits::default();
    // What every service answers has the rates that hold where none are declared.
    let rates = capabilities.iter().map(|info| info.limits.per_caller).chain([Limits::DEFAULT.per_caller]);
    let streams = || capabilities.iter().filter(|info| info.kind != Kind::Unary).map(|info| info.limits);
    // Who reads a stream of replies grants on another one.
    let grants = capabilities.iter().filter(|info| info.kind == Kind::ServerStream).map(|info| info.limits);
    let places = streams().chain(grants).fold(0_usize, |places, limits| places.saturating_add(limits.concurrency));
    let sessions = places.clamp(own.sessions, MOST_SESSIONS);
    let item = streams().map(|limits| limits.payload).max().unwrap_or(0);
    AdmissionLimits {
        caller_quota: rates.map(remembered).max().unwrap_or(0).clamp(own.caller_quota, MOST_BY_STATION),
        share: MOST_BY_STATION,
        cap: MOST_REMEMBERED,
        sessions_per_caller: (sessions / PART_OF_ONE).clamp(own.sessions_per_caller, MOST_SESSIONS_OF_ONE),
        sessions,
        // One that is being read, and one that comes meanwhile.
        inbox_bytes_per_caller: (2 * item).clamp(own.inbox_bytes_per_caller, 2 * MOST_BYTES),
        inbox_bytes: MOST_UNREAD,
        ..own
    }
}

/// How many calls of such a rate are remembered: those that come at once, and as many again as come meanwhile.
fn remembered(rate: Rate) -> usize {
    let period = rate.period.as_millis().max(1);
    let calls = u128::from(rate.calls) * (u128::from(REMEMBERED_SECONDS) * 1000 + period);
    usize::try_from(calls.div_ceil(period)).unwrap_or(usize::MAX)
}

/// The stations to dial, and the realm that they serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) stations: Vec<Station>,
    pub(crate) realm: Realm,
    /// Another one when another process answers at the same address: links to the one before are dead,
    /// though nothing says so.
    pub(crate) epoch: u64,
    /// How long a link that ended rests before it is dialed again.
    pub(crate) redial: Duration,
}

impl Target {
    /// Whether it is the same place, for whoever answers there.
    fn is_same_place(&self, other: &Self) -> bool {
        self.stations == other.stations && self.realm == other.realm
    }
}

/// The links of this node, as they come and go.
pub(crate) struct Links {
    node: NodeId,
    state: watch::Receiver<Linked>,
}

/// What there is of links.
#[derive(Debug, Clone)]
pub(crate) enum Linked {
    /// A link is up.
    Up {
        pool: Pool,
        realm: Realm,
        /// The stations that are linked.
        stations: Vec<NodeId>,
    },
    /// None is; why, for each station.
    Down(Vec<String>),
}

impl Linked {
    /// Whether the same stations are linked, by the same links as far as this knows.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Up { stations, .. }, Self::Up { stations: others, .. }) => stations == others,
            (Self::Down(_), Self::Down(_)) => true,
            _ => false,
        }
    }
}

/// No link to a station is up.
#[derive(Debug, Clone, Error)]
#[error("no link to a station is up{}", .0.iter().map(|cause| format!("; {cause}")).collect::<String>())]
pub(crate) struct NoLink(pub(crate) Vec<String>);

impl Links {
    pub(crate) fn new(node: NodeId, state: watch::Receiver<Linked>) -> Self {
        Self { node, state }
    }

    /// The node that this process is on the mesh.
    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// The links, if one is up, and the realm that they are in.
    pub(crate) fn linked(&self) -> Result<(Pool, Realm), NoLink> {
        match &*self.state.borrow() {
            Linked::Up { pool, realm, .. } => Ok((pool.clone(), realm.clone())),
            Linked::Down(causes) => Err(NoLink(causes.clone())),
        }
    }

    /// Waits until a link is up.
    pub(crate) async fn up(&self) -> (Pool, Realm) {
        let mut state = self.state.clone();
        loop {
            if let Linked::Up { pool, realm, .. } = &*state.borrow_and_update() {
                return (pool.clone(), realm.clone());
            }
            if state.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Tells of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<Linked> {
        self.state.clone()
    }
}

/// What dials.
pub(crate) struct Dialer {
    pub(crate) identity: Arc<NodeKey>,
    /// None while it is not known yet.
    pub(crate) target: watch::Receiver<Option<Target>>,
    pub(crate) table: Arc<Table>,
    pub(crate) state: watch::Sender<Linked>,
    /// What is let in before any guard sees it.
    pub(crate) admission: AdmissionLimits,
}

impl Dialer {
    /// Keeps the links up, for ever. When it is dropped, they close.
    pub(crate) async fn dial(mut self) {
        let mut rest = REST;
        loop {
            let Some(target) = self.target.borrow_and_update().clone() else {
                if self.target.changed().await.is_err() {
                    return;
                }
                continue;
            };
            self.table.expect(&target.stations);
            match self.connect(&target).await {
                Some(pool) => {
                    rest = REST;
                    self.hold(pool, &target).await;
                }
                None => {
                    self.state.send_replace(Linked::Down(self.table.causes()));
                    let wait = if self.table.is_refused() { PERMANENT_REST } else { rest };
                    rest = (rest * 2).min(MOST_REST);
                    // Another station is dialed at once.
                    let _ = timeout(random::about(wait, JITTER), self.target.changed()).await;
                }
            }
        }
    }

    /// A pool with a link that is up; none when there is no use in waiting for one.
    async fn connect(&mut self, target: &Target) -> Option<Pool> {
        let seeds = target.stations.iter().map(|station| Seed {
            host: station.host.clone(),
            port: station.port,
            node_id: *station.node.as_bytes(),
        });
        let connecting = Pool::connect(seeds.collect(), self.options(target));
        tokio::select! {
            connected = connecting => match connected {
                Ok(pool) => Some(pool),
                // Each link has told why.
                Err(PoolError::NoLink(_)) => None,
                Err(error) => {
                    self.table.fail_all(&Trouble::of_pool(&error));
                    None
                }
            },
            () = self.table.refused() => None,
            Ok(()) = self.target.changed() => {
                // It is still to be dialed, and at once.
                self.target.mark_changed();
                None
            }
        }
    }

    fn options(&self, target: &Target) -> Opts {
        let realm = &target.realm;
        let table = Arc::clone(&self.table);
        let mut options = Opts::new(Arc::clone(&self.identity));
        options.realm_trust.insert(realm.id, realm.key.clone());
        options.respawn_delay = random::about(target.redial, JITTER);
        options.connect_timeout = CONNECT;
        options.admission = Some(self.admission);
        // Without it, nothing that is offered can be sealed.
        options.kem_advertise = true;
        options.on_link_event = Some(Arc::new(move |event| {
            // A station that is dialed for one call is no part of the links.
            if !event.direct {
                let trouble = event.error.as_ref().map(Trouble::of_link);
                table.note(NodeId::from_bytes(event.station), event.up, trouble);
            }
        }));
        options.on_issuer_error = Some(Arc::new(|error| {
            tracing::error!(%error, "the statements that the links need were not renewed; they end when the old ones do");
        }));
        options
    }

    /// Tells of the links until there are others to dial.
    async fn hold(&mut self, pool: Pool, target: &Target) {
        let mut changes = self.table.changes();
        let mut probing = JoinSet::new();
        for station in &target.stations {
            probing.spawn(probe::probe(pool.clone(), station.node));
        }
        loop {
            changes.borrow_and_update();
            let up = pool.status().into_iter().filter(|link| link.up && !link.direct);
            let stations: Vec<NodeId> = up.map(|link| NodeId::from_bytes(link.station)).collect();
            let now = if stations.is_empty() {
                Linked::Down(self.table.causes())
            } else {
                Linked::Up { pool: pool.clone(), realm: target.realm.clone(), stations }
            };
            // Who waits for changes asks the mesh anew: only links that come or go are one.
            self.state.send_if_modified(|told| {
                let is_news = !told.is_same(&now);
                *told = now;
                is_news
            });
            tokio::select! {
                _ = changes.changed() => {}
                changed = self.target.changed() => {
                    let next = self.target.borrow().clone();
                    if changed.is_ok() && next.is_some_and(|next| next.is_same_place(target)) {
                        // Anything that is sent is answered with a reset by whoever answers there now, and the
                        // link is dialed again.
                        let pool = pool.clone();
                        while probing.try_join_next().is_some() {}
                        probing.spawn(async move {
                            let _ = pool.find_record(&[0; 32]).await;
                        });
                        continue;
                    }
                    self.state.send_replace(Linked::Down(Vec::new()));
                    let _ = timeout(GOODBYE, pool.close()).await;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn of(kind: Kind, limits: Limits) -> CapabilityInfo {
        CapabilityInfo::new("lab.do", 1, "Does it.", 1000).kind(kind).limits(limits)
    }

    #[test]
    fn the_sdk_lets_pass_what_the_guard_of_the_largest_capability_does() {
        let least = admission(&[]);
        assert_eq!((least.caller_quota, least.sessions_per_caller, least.sessions), (20_400, 62, 1000));
        let small = of(Kind::Unary, Limits::new(1, 1, 1, (1, 10_000), (1, 10_000)));
        assert_eq!(admission(&[small]), least, "what every service answers is called as well");
        let large = of(Kind::Unary, Limits::new(1, 1, 60_000, (1000, 10_000), (6000, 10_000)));
        let stream = of(Kind::Bidi, Limits::new(10 << 20, 1, 3200, (1, 3_600_000), (1, 3_600_000)));
        let sized = admission(&[large, stream]);
        assert_eq!((sized.caller_quota, sized.sessions_per_caller, sized.sessions), (34_000, 200, 3200));
        assert_eq!(sized.inbox_bytes_per_caller, 20 << 20);
    }

    #[test]
    fn whatever_is_declared_the_sdk_has_bounds_that_it_takes() {
        let most = Limits::new(MOST_BYTES, MOST_BYTES, 65_536, (1_000_000, 1000), (1_000_000, 1000));
        for kind in [Kind::Unary, Kind::ServerStream, Kind::ClientStream, Kind::Bidi] {
            let sized = admission(&[of(kind, most), of(kind, most)]);
            sized.validate().unwrap();
            assert!(sized.caller_quota <= MOST_BY_STATION && sized.cap == MOST_REMEMBERED);
            assert!(sized.sessions <= MOST_SESSIONS && sized.sessions_per_caller <= MOST_SESSIONS_OF_ONE);
            assert!(sized.inbox_bytes == MOST_UNREAD && sized.inbox_bytes_per_caller <= 2 * MOST_BYTES);
        }
        admission(&[]).validate().unwrap();
    }
}
