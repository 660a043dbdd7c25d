//! Who could serve what: each service tells the realm of its capabilities, and remembers what others told.
//!
//! A fact goes out on one topic every 30 s, and when something changed; it holds a Bloom filter of the
//! procedures. Peers keep one filter for each node and answer from memory. That is a hint and no more:
//! nobody is called who has no advertisement with that org.
//!
//! Facts get lost, and nothing depends on one: the next says all again. So a gap in what was heard is
//! counted and not repaired.

mod bloom;
mod fact;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod memory;

use std::sync::Arc;
use std::time::Duration;

use macula_rust::frame::Payload;
use macula_rust::pool::{Delivery, Pool};
use macula_rust::station_link::Publication;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::link::Links;
use crate::config::mesh::Realm;
use crate::node_id::NodeId;
use crate::random;

pub(crate) use fact::{Fact, NotAFact};
pub(crate) use memory::Memory;
#[cfg(test)]
pub(crate) use memory::{MAX_BYTES, MAX_ORIGINS};

/// Where facts are published, in every realm.
pub(crate) const TOPIC: &str = "_mesh.cap.announce";

/// How often, give or take a fifth: a fleet that starts at once does not go on in step.
const EVERY: Duration = Duration::from_secs(30);
const JITTER_PERCENT: u32 = 20;
/// A fact that arrives later than it is remembered is of no use.
const TIME_TO_LIVE_MS: u64 = 120_000;
/// Changes come in flocks: one fact tells of all that came within this.
const SETTLE: Duration = Duration::from_millis(200);
/// Before the topic is subscribed to again.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(5);

/// Announces and listens for as long as it is awaited, on whichever links there are.
///
/// A change of `changed` announces at once; `fact` is asked each time.
pub(crate) async fn announce(
    links: Arc<Links>,
    memory: Arc<Memory>,
    fact: impl Fn() -> Fact,
    mut changed: watch::Receiver<u64>,
) {
    let mut states = links.changes();
    loop {
        states.borrow_and_update();
        let (pool, realm) = links.up().await;
        tokio::select! {
            () = publish(&pool, &realm, &memory, &fact, &mut changed) => {}
            () = listen(&pool, &realm, &memory, links.node()) => {}
            // Another link may be another pool: subscribe there.
            () = change(&mut states) => {}
        }
    }
}

async fn publish(
    pool: &Pool,
    realm: &Realm,
    memory: &Memory,
    fact: &impl Fn() -> Fact,
    changed: &mut watch::Receiver<u64>,
) {
    loop {
        changed.borrow_and_update();
        let payload = Payload::Clear(fact().to_value());
        let fact = Publication { realm: realm.id, topic: TOPIC.to_owned(), payload, ttl_ms: Some(TIME_TO_LIVE_MS) };
        memory.published(pool.publish(fact).await.is_ok());
        tokio::select! {
            () = sleep(random::about(EVERY, JITTER_PERCENT)) => {}
            () = change(changed) => sleep(SETTLE).await,
        }
    }
}

async fn listen(pool: &Pool, realm: &Realm, memory: &Memory, own: NodeId) {
    loop {
        if let Ok(mut heard) = pool.subscribe(&realm.id, TOPIC).await {
            while let Some(delivery) = heard.recv().await {
                take(memory, own, delivery, Instant::now());
            }
        }
        sleep(random::about(SUBSCRIBE_AGAIN, JITTER_PERCENT)).await;
    }
}

fn take(memory: &Memory, own: NodeId, delivery: Delivery, now: Instant) {
    match delivery {
        Delivery::Event(event) => {
            let publisher = NodeId::from_bytes(event.publisher);
            if publisher == own {
                return;
            }
            match event.payload {
                Payload::Clear(payload) => memory.hear(publisher, &payload, now),
                Payload::Sealed(_) => memory.dropped(NotAFact::Sealed),
            }
        }
        Delivery::Interrupted(_) | Delivery::Gap(_) => memory.missed(),
    }
}

/// Waits for the next change; for ever when nobody can make one any more.
async fn change<T>(changes: &mut watch::Receiver<T>) {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use hecate_om_station::{Keys, Options, Station};
    use macula_rust::cbor::Value;
    use macula_rust::node_key::NodeKey;
    use macula_rust::pool::{Gap, Opts, Seed};
    use macula_rust::profile::Profile;
    use macula_rust::station_link::Event;
    use tokio_util::task::AbortOnDropHandle;

    use super::*;
    use crate::mesh::link::Linked;

    fn event(publisher: NodeId, payload: Value) -> Delivery {
        Delivery::Event(Event {
            publisher: *publisher.as_bytes(),
            realm: [0; 32],
            topic: TOPIC.to_owned(),
            seq: 1,
            published_at: 0,
            payload: Payload::Clear(payload),
            delivered_via: "direct".to_owned(),
            seal_key_id: None,
            unopened: None,
        })
    }

    #[test]
    fn what_others_publish_is_remembered_and_what_one_says_oneself_is_not() {
        let [own, other] = [1, 2].map(|byte| NodeId::from_bytes([byte; 32]));
        let memory = Memory::default();
        let now = Instant::now();
        for node in [own, other] {
            let fact = Fact::new("hecate-shop", "shop", node, vec!["shop/order_v1".to_owned()]);
            take(&memory, own, event(node, fact.to_value()), now);
        }
        let told = memory.who_could_serve("shop/order_v1", now);
        assert_eq!(told.iter().map(|origin| origin.node).collect::<Vec<_>>(), [other]);
        take(&memory, own, event(other, Value::Null), now);
        take(&memory, own, Delivery::Gap(Gap { from_ms: 0, to_ms: 1, reason: "closed".to_owned() }), now);
        let counts = memory.counts();
        assert_eq!((counts.heard, counts.dropped, counts.missed), (1, 1, 1));
    }

    /// How long anything may take that is to happen at all, on a box that is busy.
    const BOUND: Duration = Duration::from_secs(30);

    fn key() -> Arc<NodeKey> {
        Arc::new(NodeKey::generate_identity(Profile::PqPure, 0).unwrap())
    }

    /// A service that announces at a station: its node, what it remembers, and what makes it announce anew.
    struct Announcing {
        node: NodeId,
        memory: Arc<Memory>,
        changed: watch::Sender<u64>,
        _linked: watch::Sender<Linked>,
        _task: AbortOnDropHandle<()>,
    }

    impl Announcing {
        async fn at(station: &Station, org: &'static str) -> Self {
            let realm = Realm { id: station.realm_id(), name: None, key: station.realm_key() };
            let mut opts = Opts::new(key());
            opts.realm_trust.insert(realm.id, realm.key.clone());
            opts.connect_timeout = BOUND;
            let (host, port) = ("127.0.0.1".to_owned(), station.address().port());
            let seed = Seed { host, port, node_id: station.node_id() };
            let pool = Pool::connect(vec![seed], opts).await.unwrap();
            let node = NodeId::from_bytes(pool.node_id());
            let (linked, links) = watch::channel(Linked::Up { pool, realm, stations: Vec::new() });
            let links = Arc::new(Links::new(node, links));
            let (memory, (changed, changes)) = (Arc::new(Memory::default()), watch::channel(0));
            let fact = move || Fact::new("hecate-shop", org, node, vec![format!("{org}/order_v1")]);
            let task = tokio::spawn(announce(links, Arc::clone(&memory), fact, changes));
            Self { node, memory, changed, _linked: linked, _task: AbortOnDropHandle::new(task) }
        }

        /// Announces until another one knows.
        async fn is_known_to(&self, other: &Self, procedure: &str) {
            let heard = async {
                while !other
                    .memory
                    .who_could_serve(procedure, Instant::now())
                    .iter()
                    .any(|known| known.node == self.node)
                {
                    self.changed.send_modify(|changes| *changes += 1);
                    sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::time::timeout(BOUND, heard).await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn services_of_a_realm_know_who_could_serve_what() {
        let keys = Keys { node: key(), realm: key() };
        let options = Options { puzzle_difficulty: 0, ..Options::new(keys, "hecate.local") };
        let station = Station::start(options).await.unwrap();
        let (shop, bank) = (Announcing::at(&station, "shop").await, Announcing::at(&station, "bank").await);
        shop.is_known_to(&bank, "shop/order_v1").await;
        bank.is_known_to(&shop, "bank/order_v1").await;
        let known = bank.memory.lookup(shop.node, Instant::now()).unwrap();
        assert_eq!((known.org.as_str(), known.service.as_str()), ("shop", "hecate-shop"));
        assert!(bank.memory.who_could_serve("bank/order_v1", Instant::now()).is_empty(), "nobody hears itself");
    }
}
