//! What this node offers on the mesh: each capability in a task of its own that advertises it at every
//! station that is linked, again when that ends, and looks from time to time whether it is found.
//!
//! Nothing counts as advertised because it was sent: only a station's acknowledgement does, and what the
//! mesh answers when it is asked.

mod state;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use macula_rust::node_key::NodeKey;
use macula_rust::pool::{Pool, PoolError};
use macula_rust::record::{self, Reason, RecordType, TombstoneOptions};
use macula_rust::station_link::{Link, LinkError, Offer, Served};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

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

/// How many advertisements one station has to deal with at once: a thousand that come together would each
/// take longer than anybody waits.
const AT_ONCE: usize = 32;

/// How often the mesh is asked whether it finds an advertisement. They live five minutes.
pub(crate) const CONFIRM: Duration = Duration::from_secs(60);

/// What each of many adds to that: ten questions in a second are enough of a processor.
const CONFIRM_EACH: Duration = Duration::from_millis(100);

/// When it is first asked about a new advertisement, and what each of many adds to that.
const FIRST: Duration = Duration::from_secs(2);
const FIRST_EACH: Duration = Duration::from_millis(20);

/// How often in a row the mesh may not find an advertisement before it is made anew: what one station was
/// given, others may not have yet.
const MISSES: u32 = 2;

/// How long it may take to ask.
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

/// How fast stations are asked, by all advertisements together.
struct Pace {
    /// How many advertisements there are.
    count: u32,
    turns: Mutex<BTreeMap<NodeId, Arc<Semaphore>>>,
}

impl Pace {
    fn at(&self, station: NodeId) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(station).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }

    /// When a new advertisement is first looked for.
    fn first(&self) -> Duration {
        random::about(FIRST + FIRST_EACH * self.count, 2 * JITTER)
    }

    /// When one that was found is looked for again.
    fn again(&self) -> Duration {
        random::about(CONFIRM.max(CONFIRM_EACH * self.count), JITTER)
    }
}

/// One thing that is offered.
struct Row {
    offered: Offered,
    standing: Standing,
    pace: Arc<Pace>,
    /// Where it is served.
    servings: Mutex<BTreeMap<NodeId, Served>>,
    /// Since when it is offered, in Unix time.
    since_ms: i64,
}

/// What the mesh said when it was asked for an advertisement.
enum Answer {
    Found,
    Missing,
    /// It did not say.
    Silence,
}

impl Advertisements {
    /// # Errors
    /// When two bear one name.
    pub(crate) fn new(links: Arc<Links>, identity: Arc<NodeKey>, offers: Vec<Offered>) -> Result<Arc<Self>, Twice> {
        let mut rows = BTreeMap::new();
        let changes = Arc::new(watch::Sender::new(0));
        let count = u32::try_from(offers.len()).unwrap_or(u32::MAX);
        let pace = Arc::new(Pace { count, turns: Mutex::default() });
        for offered in offers {
            let name = offered.procedure.clone();
            let standing = Standing::new(Arc::clone(&changes));
            let row = Row::new(offered, standing, Arc::clone(&pace));
            if rows.insert(name.clone(), Arc::new(row)).is_some() {
                return Err(Twice(name));
            }
        }
        Ok(Arc::new(Self { links, identity, rows, changes }))
    }

    /// Keeps everything advertised, for ever. Nothing is tried before the realm was asked for its
    /// permission: it would be refused.
    pub(crate) async fn keep(self: Arc<Self>, claim: watch::Receiver<Claim>) {
        look_after(self.rows.values().cloned(), |row| row.keep(Arc::clone(&self.links), claim.clone())).await;
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
        // First of all: none that is not there yet must come after its end.
        self.rows.values().for_each(|row| row.standing.withdrawn());
        let Ok((pool, realm)) = self.links.linked() else { return };
        let mut withdrawing = JoinSet::new();
        for (procedure, row) in &self.rows {
            if row.servings().is_empty() {
                continue;
            }
            let (pool, identity, realm, procedure) =
                (pool.clone(), Arc::clone(&self.identity), realm.id, procedure.clone());
            let node = self.links.node();
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
            row.standing.withdrawn();
            for (_, served) in std::mem::take(&mut *row.servings()) {
                stopping.spawn(async move { served.stop().await });
            }
        }
        while stopping.join_next().await.is_some() {}
    }
}

/// Has each of them kept in a task of its own. One that panics is told as what failed, so that it is not
/// taken for what it was before, and begins again.
async fn look_after<K>(rows: impl Iterator<Item = Arc<Row>>, keep: impl Fn(Arc<Row>) -> K)
where
    K: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut kept = HashMap::new();
    for row in rows {
        kept.insert(tasks.spawn(keep(Arc::clone(&row))).id(), row);
    }
    while let Some(ended) = tasks.join_next_with_id().await {
        let Err(error) = ended else { continue };
        let Some(row) = kept.remove(&error.id()) else { continue };
        let procedure = &row.offered.procedure;
        tracing::error!(procedure, %error, "what looks after an advertisement failed, and begins again");
        row.standing.failed(format!("what looks after it failed: {error}"));
        let again = keep(Arc::clone(&row));
        let again = async move {
            sleep(random::about(MOST_REST, JITTER)).await;
            again.await;
        };
        kept.insert(tasks.spawn(again).id(), row);
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
    fn new(offered: Offered, standing: Standing, pace: Arc<Pace>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Self { offered, standing, pace, servings: Mutex::default(), since_ms }
    }

    /// Keeps one thing advertised wherever this node is linked.
    async fn keep(self: Arc<Self>, links: Arc<Links>, mut claim: watch::Receiver<Claim>) {
        let mut changes = links.changes();
        let mut rest = REST;
        let mut confirm_at = None;
        let mut misses = 0;
        while !self.standing.is_withdrawn() {
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
            let now = Instant::now();
            if !is_served {
                confirm_at = None;
            } else if *confirm_at.get_or_insert_with(|| now + self.pace.first()) <= now {
                confirm_at = match self.confirm(&pool, &realm, links.node()).await {
                    Answer::Found => {
                        misses = 0;
                        Some(Instant::now() + self.pace.again())
                    }
                    Answer::Missing if misses + 1 == MISSES => {
                        misses = 0;
                        self.begin_anew().await;
                        None
                    }
                    Answer::Missing => {
                        misses += 1;
                        Some(now)
                    }
                    Answer::Silence => Some(now),
                };
            }
            let wait = if self.standing.is_advertised() && self.missing(&stations).is_empty() {
                rest = REST;
                confirm_at.map_or(REST, |at| at.saturating_duration_since(Instant::now()))
            } else {
                let wait = random::about(rest, JITTER);
                rest = (rest * 2).min(MOST_REST);
                wait
            };
            tokio::select! {
                _ = changes.changed() => {}
                Ok(()) = claim.changed(), if !self.standing.is_advertised() => rest = REST,
                () = self.lapsed() => confirm_at = None,
                () = sleep(wait) => {}
            }
        }
    }

    /// Serves it at each station that does not have it yet; says whether any has it.
    async fn serve(self: &Arc<Self>, pool: &Pool, realm: &Realm, stations: &[NodeId]) -> bool {
        let mut serving = JoinSet::new();
        for station in self.missing(stations) {
            let (row, pool, realm) = (Arc::clone(self), pool.clone(), realm.clone());
            serving.spawn(async move { row.serve_at(&pool, &realm, station).await });
        }
        while let Some(ended) = serving.join_next().await {
            if let Err(error) = ended {
                self.failed(format!("the SDK failed: {error}"));
            }
        }
        !self.servings().is_empty()
    }

    /// The stations that do not have it.
    fn missing(&self, stations: &[NodeId]) -> Vec<NodeId> {
        let mut servings = self.servings();
        servings.retain(|station, served| served.error().is_none() && stations.contains(station));
        stations.iter().filter(|station| !servings.contains_key(station)).copied().collect()
    }

    async fn serve_at(&self, pool: &Pool, realm: &Realm, station: NodeId) {
        let link = match pool.link_to(station.as_bytes()).await {
            Ok(link) => link,
            Err(error) => return self.failed(error.to_string()),
        };
        let turns = self.pace.at(station);
        let _turn = tokio::select! {
            Ok(turn) = turns.acquire() => turn,
            error = link.done() => return self.failed(error.to_string()),
        };
        if self.standing.is_withdrawn() {
            return;
        }
        match self.serve_on(&link, realm).await {
            Ok(served) => self.keep_serving(station, served).await,
            Err(error) => self.failed(cause(&error, &self.offered.procedure)),
        }
    }

    /// Waits for the station as long as the SDK does, although that has failed for long: an attempt that is
    /// dropped stays behind in the link, where no other can begin then.
    async fn serve_on(&self, link: &Link, realm: &Realm) -> Result<Served, LinkError> {
        let mut offer = (self.offered.offer)(realm);
        offer.realm_key = Some(realm.key.clone());
        // Clear requests are taken for a while after this, once and not again with each link.
        offer.keyed_since_ms = Some(self.since_ms);
        let mut serving = std::pin::pin!(link.serve(offer));
        let late = async {
            sleep(ACKNOWLEDGE).await;
            self.failed(format!("the station did not acknowledge it within {ACKNOWLEDGE:?}"));
            std::future::pending().await
        };
        tokio::select! {
            biased;
            served = &mut serving => served,
            error = link.done() => Err(error),
            never = late => never,
        }
    }

    /// A station does not have it. Where another has it, it is found all the same.
    fn failed(&self, cause: String) {
        let servings = self.servings();
        if servings.is_empty() {
            self.standing.failed(cause);
        }
    }

    async fn keep_serving(&self, station: NodeId, served: Served) {
        {
            let mut servings = self.servings();
            if !self.standing.is_withdrawn() {
                servings.insert(station, served);
                return self.standing.acknowledged();
            }
        }
        // It was taken back while the station took it. Nobody knows of it yet.
        let _ = timeout(ANSWER, served.stop()).await;
    }

    /// Asks the mesh whether it finds us.
    async fn confirm(&self, pool: &Pool, realm: &Realm, node: NodeId) -> Answer {
        let (pool, realm, procedure) = (pool.clone(), realm.id, self.offered.procedure.clone());
        // A question that is dropped may leave a part of a frame on the link.
        let asked = tokio::spawn(async move { pool.providers(&realm, &procedure).await });
        let found = match timeout(ANSWER, asked).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => return self.unanswered(format!("the SDK failed: {error}")),
            Err(late) => Err(late),
        };
        let (answer, cause) = match found {
            Ok(Ok(providers)) if providers.iter().any(|provider| provider.node == *node.as_bytes()) => {
                self.standing.confirmed();
                return Answer::Found;
            }
            Ok(Ok(_)) => (Answer::Missing, "the mesh has others for it and does not find this node".to_owned()),
            Ok(Err(PoolError::NoProvider(_))) => (Answer::Missing, "the mesh does not find it".to_owned()),
            Ok(Err(error)) => (Answer::Silence, format!("the mesh did not say whether it finds it: {error}")),
            Err(_) => (Answer::Silence, format!("the mesh did not say within {ANSWER:?} whether it finds it")),
        };
        self.standing.unfound(cause);
        answer
    }

    fn unanswered(&self, cause: String) -> Answer {
        self.standing.unfound(cause);
        Answer::Silence
    }

    /// What is not found is worth nothing where it is served: that ends, so that it can begin again on the
    /// same links.
    async fn begin_anew(&self) {
        if self.standing.is_withdrawn() {
            return;
        }
        let servings = std::mem::take(&mut *self.servings());
        for served in servings.into_values() {
            let _ = timeout(ANSWER, served.stop()).await;
        }
    }

    /// Waits until it is not served any more where it was.
    async fn lapsed(&self) {
        let servings: Vec<Served> = self.servings().values().cloned().collect();
        if servings.is_empty() {
            return std::future::pending().await;
        }
        let mut ends = JoinSet::new();
        for served in servings {
            ends.spawn(async move { served.done().await });
        }
        let _ = ends.join_next().await;
    }

    /// Where it is served; nothing that is done under the lock can leave it half-done.
    fn servings(&self) -> MutexGuard<'_, BTreeMap<NodeId, Served>> {
        self.servings.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests;
