//! What this node offers on the mesh: each capability in a task of its own that advertises it at every
//! station that is linked, again when that ends, and looks from time to time whether it is found.
//!
//! Nothing counts as advertised because it was sent: only a station's acknowledgement does, and what the
//! mesh answers when it is asked.

mod state;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use macula_rust::node_key::NodeKey;
use macula_rust::pool::Pool;
use macula_rust::record::{self, Reason, RecordType, TombstoneOptions};
use macula_rust::station_link::{Confidentiality, Link, LinkError, Offer, Served};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::mesh::Realm;
use crate::identity::claim::Claim;
use crate::mesh::link::{Linked, Links};
use crate::node_id::NodeId;
use crate::random;

pub(crate) use self::state::{Shown, Standing};

/// How long a station may take to acknowledge one advertisement.
const ACKNOWLEDGE: Duration = Duration::from_secs(10);

/// How long a refused advertisement rests, at first and at most.
const REST: Duration = Duration::from_millis(500);
const MOST_REST: Duration = Duration::from_secs(20);

/// How long the realm is waited for before the first try.
const CLAIM: Duration = Duration::from_secs(5);

/// How often the mesh is asked whether it finds an advertisement. They live five minutes.
pub(crate) const CONFIRM: Duration = Duration::from_secs(60);

/// How long that may take.
const ANSWER: Duration = Duration::from_secs(5);

/// By how much of a hundred times differ, so that a thousand advertisements are not renewed at once.
const JITTER: u32 = 25;

/// Something to be offered.
pub(crate) struct Offered {
    pub(crate) procedure: String,
    /// What answers it in a realm, and what a caller must present there.
    pub(crate) offer: Box<dyn Fn(&Realm) -> Offer + Send + Sync>,
}

/// Two things were to be offered under one name: on the wire, one would silently answer for both.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` would be advertised twice")]
pub(crate) struct Twice(pub(crate) String);

/// Everything that this node offers.
pub(crate) struct Advertisements {
    links: Arc<Links>,
    identity: Arc<NodeKey>,
    rows: BTreeMap<String, Arc<Row>>,
    /// Another number whenever more or less of it is found.
    changes: Arc<watch::Sender<u64>>,
}

/// One thing that is offered.
struct Row {
    offered: Offered,
    standing: Standing,
    /// Where it is served.
    servings: tokio::sync::Mutex<BTreeMap<NodeId, Served>>,
}

impl Advertisements {
    /// # Errors
    /// When two bear one name.
    pub(crate) fn new(links: Arc<Links>, identity: Arc<NodeKey>, offers: Vec<Offered>) -> Result<Arc<Self>, Twice> {
        let mut rows = BTreeMap::new();
        let changes = Arc::new(watch::Sender::new(0));
        for offered in offers {
            let name = offered.procedure.clone();
            let row =
                Row { offered, standing: Standing::new(Arc::clone(&changes)), servings: tokio::sync::Mutex::default() };
            if rows.insert(name.clone(), Arc::new(row)).is_some() {
                return Err(Twice(name));
            }
        }
        Ok(Arc::new(Self { links, identity, rows, changes }))
    }

    /// Keeps everything advertised, for ever. Nothing is tried before the realm was asked for its
    /// permission: it would be refused.
    pub(crate) async fn keep(self: Arc<Self>, claim: watch::Receiver<Claim>) {
        let mut tasks = JoinSet::new();
        for row in self.rows.values() {
            tasks.spawn(Arc::clone(row).keep(Arc::clone(&self.links), claim.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "an advertisement is not looked after any more");
            }
        }
    }

    /// How each of them stands.
    pub(crate) fn shown(&self, now: Instant) -> Vec<Shown> {
        self.rows.iter().map(|(procedure, row)| row.standing.shown(procedure, now)).collect()
    }

    /// What is found on the mesh.
    pub(crate) fn found(&self) -> Vec<String> {
        let found = self.rows.iter().filter(|(_, row)| row.standing.is_advertised());
        found.map(|(procedure, _)| procedure.clone()).collect()
    }

    /// Tells when more or less of it is.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How many are found on the mesh.
    pub(crate) fn advertised(&self) -> usize {
        self.rows.values().filter(|row| row.standing.is_advertised()).count()
    }

    /// Takes everything back from the directory of the mesh: who looks from now on finds others. Calls of
    /// those who found us before are still answered.
    ///
    /// The SDK's own `stop` would refuse these at once, so it comes [later](Self::stop).
    pub(crate) async fn withdraw(&self) {
        let Ok((pool, realm)) = self.links.linked() else { return };
        let mut withdrawing = JoinSet::new();
        for (procedure, row) in &self.rows {
            let (pool, identity, realm, procedure) =
                (pool.clone(), Arc::clone(&self.identity), realm.id, procedure.clone());
            let node = self.links.node();
            row.standing.withdrawn();
            withdrawing.spawn(async move {
                if let Err(error) = withdraw(&pool, &identity, node, &realm, &procedure).await {
                    tracing::warn!(procedure, %error, "an advertisement was not taken back; it ends within five minutes");
                }
            });
        }
        while withdrawing.join_next().await.is_some() {}
    }

    /// Answers nothing over the mesh from now on.
    pub(crate) async fn stop(&self) {
        let mut stopping = JoinSet::new();
        for row in self.rows.values() {
            for (_, served) in std::mem::take(&mut *row.servings.lock().await) {
                stopping.spawn(async move { served.stop().await });
            }
        }
        while stopping.join_next().await.is_some() {}
    }
}

/// Puts a tombstone where our advertisement is.
async fn withdraw(
    pool: &Pool,
    identity: &NodeKey,
    node: NodeId,
    realm: &[u8; 32],
    procedure: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (found, _) = pool.find_records(&record::procedure_key(realm, procedure)).await?;
    for verified in found.iter().filter(|verified| verified.record().record_type == RecordType::PROCEDURE_ADVERTISEMENT)
    {
        if record::read_procedure_advertisement(verified.record())?.advertiser_node != *node.as_bytes() {
            continue;
        }
        let tombstone = record::new_tombstone(verified.record(), Reason::Shutdown, &TombstoneOptions::default())?;
        pool.put_record(&record::encode(&record::sign(&tombstone, identity)?)?).await?;
    }
    Ok(())
}

impl Row {
    /// Keeps one thing advertised wherever this node is linked.
    async fn keep(self: Arc<Self>, links: Arc<Links>, mut claim: watch::Receiver<Claim>) {
        let mut changes = links.changes();
        let mut rest = REST;
        let mut confirm_at = Instant::now();
        loop {
            if self.standing.is_withdrawn() {
                return;
            }
            let linked = changes.borrow_and_update().clone();
            let Linked::Up { pool, realm, stations } = linked else {
                self.standing.unlinked();
                rest = REST;
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            };
            if claim.borrow_and_update().clone() == Claim::Unsent {
                let _ = timeout(CLAIM, claim.changed()).await;
            }
            let is_served = self.serve(&pool, &realm, &stations).await;
            if is_served && confirm_at <= Instant::now() {
                self.confirm(&pool, &realm, links.node()).await;
                confirm_at = Instant::now() + random::about(CONFIRM, JITTER);
            }
            let wait = if is_served && self.standing.is_advertised() {
                rest = REST;
                confirm_at.saturating_duration_since(Instant::now())
            } else {
                confirm_at = Instant::now();
                let wait = random::about(rest, JITTER);
                rest = (rest * 2).min(MOST_REST);
                wait
            };
            tokio::select! {
                _ = changes.changed() => {}
                Ok(()) = claim.changed(), if !self.standing.is_advertised() => rest = REST,
                () = self.lapsed() => confirm_at = Instant::now(),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Serves it at each station that does not have it yet; says whether any has it.
    async fn serve(self: &Arc<Self>, pool: &Pool, realm: &Realm, stations: &[NodeId]) -> bool {
        let mut servings = self.servings.lock().await;
        servings.retain(|station, served| served.error().is_none() && stations.contains(station));
        for station in stations {
            if servings.contains_key(station) || self.standing.is_withdrawn() {
                continue;
            }
            let (row, pool, realm, node) = (Arc::clone(self), pool.clone(), realm.clone(), *station);
            // A task of its own, and waited for to its end: an attempt that is dropped half way stays in the
            // SDK's table of the link, which then refuses every later one as `AlreadyServed`. It ends by itself,
            // as each of its steps has a limit.
            let mut serving = tokio::spawn(async move {
                let link = pool.link_to(node.as_bytes()).await.map_err(|error| error.to_string())?;
                row.serve_on(&link, &realm).await.map_err(|error| cause(&error, &row.offered.procedure))
            });
            let served = match timeout(ACKNOWLEDGE, &mut serving).await {
                Ok(served) => served,
                Err(_) => {
                    self.standing.failed(format!("the station did not acknowledge it within {ACKNOWLEDGE:?}"));
                    serving.await
                }
            };
            match served {
                Ok(Ok(served)) => {
                    self.standing.acknowledged();
                    servings.insert(*station, served);
                }
                Ok(Err(cause)) => self.standing.failed(cause),
                Err(error) => self.standing.failed(format!("the SDK failed: {error}")),
            }
        }
        !servings.is_empty()
    }

    async fn serve_on(&self, link: &Link, realm: &Realm) -> Result<Served, LinkError> {
        let mut offer = (self.offered.offer)(realm);
        offer.realm_key = Some(realm.key.clone());
        offer.confidential = Confidentiality::Preferred;
        link.serve(offer).await
    }

    /// Asks the mesh whether it finds us. If it does not, what we serve is worth nothing, and is begun anew.
    async fn confirm(&self, pool: &Pool, realm: &Realm, node: NodeId) {
        let found = timeout(ANSWER, pool.providers(&realm.id, &self.offered.procedure)).await;
        let cause = match found {
            Ok(Ok(providers)) if providers.iter().any(|provider| provider.node == *node.as_bytes()) => {
                return self.standing.confirmed();
            }
            Ok(Ok(_)) => "the mesh has others for it and does not find this node".to_owned(),
            Ok(Err(error)) => format!("the mesh does not find it: {error}"),
            Err(_) => format!("the mesh did not say within {ANSWER:?} whether it finds it"),
        };
        self.standing.failed(cause);
        for (_, served) in std::mem::take(&mut *self.servings.lock().await) {
            // So that it can be served anew on the same link.
            let _ = timeout(ANSWER, served.stop()).await;
        }
    }

    /// Waits until it is not served any more where it was.
    async fn lapsed(&self) {
        let servings: Vec<Served> = self.servings.lock().await.values().cloned().collect();
        if servings.is_empty() {
            return std::future::pending().await;
        }
        let mut ends = JoinSet::new();
        for served in servings {
            ends.spawn(async move { served.done().await });
        }
        let _ = ends.join_next().await;
    }
}

/// Why a station does not have it, in words that tell what to do.
fn cause(error: &LinkError, procedure: &str) -> String {
    let org = procedure.split('/').next().unwrap_or(procedure);
    match error {
        LinkError::RecordNotFound => {
            format!("the realm has not admitted org `{org}`: it publishes no permission to serve it")
        }
        LinkError::Record(error) => format!("what the realm publishes for org `{org}` does not hold: {error}"),
        LinkError::RegisterRefused { reason, .. } => format!("the station refused it: {reason}"),
        other => other.to_string(),
    }
}
