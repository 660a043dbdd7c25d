//! The same over a real station, with the SDK's pools.

use hecate_om_station::{Keys, Options, Station};
use macula_rust::frame::StreamMode;
use macula_rust::node_key::NodeKey;
use macula_rust::pool::{Call, Offer, Opts, Pool, Seed, Served};
use macula_rust::profile::Profile;
use macula_rust::station_link::{handler, stream_handler};
use tokio::sync::watch;

use super::*;
use crate::capability::ReplyStream;
use crate::config::mesh::Realm;
use crate::mesh::link::Linked;
use crate::mesh::metadata::Metadata;
use crate::mesh::stream::Word;

const PROCEDURE: &str = "hecate-lab/lab.say_v1";
const TELL: Capability<Lab, Text, ReplyStream<Text>> = Capability::new("hecate-lab", "lab.tell", 1);
const TOLD: &str = "hecate-lab/lab.tell_v1";
/// How long anything may take that is to happen at all, on a box that is busy.
const BOUND: Duration = Duration::from_secs(30);

fn key() -> Arc<NodeKey> {
    Arc::new(NodeKey::generate_identity(Profile::PqPure, 0).unwrap())
}

async fn station() -> Station {
    let options = Options::new(Keys { node: key(), realm: key() }, "hecate.local");
    Station::start(Options { puzzle_difficulty: 0, ..options }).await.unwrap()
}

async fn linked(station: &Station) -> Pool {
    let mut opts = Opts::new(key());
    opts.realm_trust.insert(station.realm_id(), station.realm_key());
    opts.connect_timeout = BOUND;
    let (host, port) = ("127.0.0.1".to_owned(), station.address().port());
    Pool::connect(vec![Seed { host, port, node_id: station.node_id() }], opts).await.unwrap()
}

/// A node that may provide what the lab offers.
async fn admitted(station: &Station) -> Pool {
    let pool = linked(station).await;
    let text = |text: &str| Value::text(text);
    let claim = Call {
        realm: station.realm_id(),
        procedure: "hecate.local/_realm/_realm/identity/request_provider_authorization_v1".to_owned(),
        payload: Value::Map(vec![
            (text("org"), text("hecate-lab")),
            (text("service_name"), text("hecate-lab")),
            (text("box"), text("here")),
        ]),
        timeout: BOUND,
        ..Call::default()
    };
    pool.call(claim).await.unwrap();
    pool
}

/// A provider that says who it is, refuses, or takes its time.
async fn provider(station: &Station) -> (Pool, NodeId, Served) {
    let pool = admitted(station).await;
    let node = NodeId::from_bytes(pool.node_id());
    let answer = handler(move |mut request| async move {
        let metadata = Metadata::take(&mut request.payload).unwrap().unwrap();
        match request.payload.get("text") {
            Some(Value::Text(asked)) if asked == "refuse" => {
                Ok(metadata::refusal(&CapabilityError::refused("no_name", "nobody")))
            }
            Some(Value::Text(asked)) if asked == "grumble" => Err("no_mood: come back tomorrow".to_owned()),
            Some(Value::Text(asked)) if asked == "ponder" => std::future::pending().await,
            _ => Ok(Value::Map(vec![(Value::text("text"), Value::text(format!("{node} {}", metadata.hops)))])),
        }
    });
    let served = pool.serve(Offer::unary(station.realm_id(), PROCEDURE, answer)).await.unwrap();
    (pool, node, served)
}

/// A provider that tells a word and then ends, or is on its way out.
async fn teller(station: &Station, is_draining: bool) -> (Pool, NodeId, Served) {
    let pool = admitted(station).await;
    let answer = stream_handler(move |stream| async move {
        let word = if is_draining {
            let error = CapabilityError::new(ErrorCode::Draining, "on its way out");
            Word::Error(error.retryable(Some(Duration::from_secs(1))))
        } else {
            Word::Open
        };
        stream.send_value(word.value()).await.map_err(|error| error.to_string())?;
        if !is_draining {
            let item = Value::Map(vec![(Value::text("text"), Value::text("hello"))]);
            stream.send_value(item).await.map_err(|error| error.to_string())?;
        }
        stream.close().await.map_err(|error| error.to_string())
    });
    let offer = Offer::stream(station.realm_id(), TOLD, StreamMode::ServerStream, answer);
    let served = pool.serve(offer).await.unwrap();
    let node = NodeId::from_bytes(pool.node_id());
    (pool, node, served)
}

/// A caller on the mesh; it is linked as long as the sender is kept.
async fn root(station: &Station) -> (Root, watch::Sender<Linked>) {
    let pool = linked(station).await;
    let node = NodeId::from_bytes(pool.node_id());
    let realm = Realm { id: station.realm_id(), name: None, key: station.realm_key() };
    let (state, watched) = watch::channel(Linked::Up { pool, realm, stations: Vec::new() });
    let calls = Calls::new(&INFO, settings());
    calls.join_mesh(Outbound::new(
        Arc::new(Links::new(node, watched)),
        tokio::runtime::Handle::current(),
        None,
        Arc::default(),
    ));
    (Root(calls), state)
}

fn ask(what: &str) -> Text {
    Text { text: what.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_on_a_real_station_share_the_load_and_say_what_they_say() {
    let station = station().await;
    let (root, _linked) = root(&station).await;
    let nobody = SAY.call(&root, hi()).await.unwrap_err();
    assert!(matches!(nobody, CallError::NoProvider { .. }), "{nobody}");

    let (one, other) = (provider(&station).await, provider(&station).await);
    let both_known = async {
        while root.0.providers(SAY).await.unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(BOUND, both_known).await.unwrap();
    let mut answered: HashMap<NodeId, usize> = HashMap::new();
    for _ in 0..60 {
        let said = SAY.call(&root, hi()).timeout(BOUND).detailed().await.unwrap();
        let node = said.provider.unwrap();
        assert_eq!((said.reply.text, said.via), (format!("{node} 3"), Via::Mesh));
        *answered.entry(node).or_default() += 1;
    }
    // A fair coin falls on one side fewer than ten times in sixty once in a hundred million.
    assert!([one.1, other.1].iter().all(|node| answered[node] >= 10), "{answered:?}");

    let refused = SAY.call(&root, ask("refuse")).await.unwrap_err();
    assert_eq!((refused.code(), refused.refusal().unwrap().message()), (Some("no_name"), "nobody"));
    let grumbled = SAY.call(&root, ask("grumble")).await.unwrap_err();
    assert_eq!((grumbled.code(), grumbled.refusal().unwrap().message()), (Some("no_mood"), "come back tomorrow"));

    let mut known = root.0.providers(SAY).await.unwrap();
    known.sort();
    let mut both = [one.1, other.1];
    both.sort();
    assert_eq!(known, both);
    let pinned = SAY.call(&root, hi()).pin(one.1).detailed().await.unwrap();
    assert_eq!(pinned.provider, Some(one.1));
    let stranger = SAY.call(&root, hi()).pin(node(5)).await.unwrap_err();
    assert!(matches!(stranger, CallError::PinNotFound { .. }), "{stranger}");
}

/// Closes the links of a provider, until its station has seen that: what it still hands over is lost.
async fn leaves(station: &Station, provider: Pool) {
    let before = station.counts().connections;
    provider.close().await;
    let seen = async {
        while station.counts().connections >= before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(BOUND, seen).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_died_without_a_word_costs_no_call() {
    let station = station().await;
    let (root, _linked) = root(&station).await;
    let (one, other) = (provider(&station).await, provider(&station).await);
    for _ in 0..10 {
        SAY.call(&root, hi()).timeout(BOUND).await.unwrap();
    }
    // Nothing is withdrawn: both advertisements stay where they are.
    leaves(&station, other.0).await;
    for _ in 0..40 {
        let said = SAY.call(&root, hi()).timeout(BOUND).detailed().await.unwrap();
        assert_eq!(said.provider, Some(one.1));
        assert!(said.attempts.iter().all(|attempt| attempt.provider == Some(other.1)), "{:?}", said.attempts);
    }
    leaves(&station, one.0).await;
    let error = SAY.call(&root, hi()).timeout(BOUND).await.unwrap_err();
    assert!(matches!(error, CallError::NotReached { .. } | CallError::NoProvider { .. }), "{error:?}");
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_dies_in_the_middle_of_a_call_is_not_asked_again_elsewhere() {
    let station = station().await;
    let (root, _linked) = root(&station).await;
    let (one, other) = (provider(&station).await, provider(&station).await);
    let relayed = station.counts().relayed_calls;
    let call = SAY.call(&root, ask("ponder")).timeout(Duration::from_secs(3)).pin(one.1).into_future();
    let dies = async {
        while station.counts().relayed_calls == relayed {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        one.0.close().await;
    };
    let (ended, ()) = tokio::join!(call, dies);
    let error = ended.unwrap_err();
    assert!(matches!(error, CallError::Timeout { .. } | CallError::Broken(_)), "{error:?}");
    assert_eq!(station.counts().relayed_calls, relayed + 1);
    drop(other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_provider_is_on_its_way_out_goes_to_another_and_tells_of_it() {
    let station = station().await;
    let draining = teller(&station, true).await;
    let (alone, _linked) = root(&station).await;
    let error = TELL.stream(&alone, hi()).timeout(BOUND).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (Some("draining"), true), "there is no other: {error:?}");

    let other = teller(&station, false).await;
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < BOUND, "who goes was never asked first");
        // One that knows nothing of either yet asks the one or the other first.
        let (root, _linked) = root(&station).await;
        let mut told = TELL.stream(&root, hi()).timeout(BOUND).await.unwrap();
        assert_eq!(told.provider(), Some(other.1));
        assert_eq!(told.next().await.unwrap().unwrap().text, "hello");
        assert!(told.next().await.is_none());
        if let Some(attempt) = told.attempts().first() {
            assert_eq!(attempt.provider, Some(draining.1));
            assert!(attempt.outcome.contains("on its way out"), "{attempt}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_asks_the_station_for_nothing_but_itself() {
    let station = station().await;
    let (root, _linked) = root(&station).await;
    let provider = provider(&station).await;
    SAY.call(&root, hi()).timeout(BOUND).await.unwrap();
    let (before, begun) = (station.counts(), Instant::now());
    for _ in 0..40 {
        SAY.call(&root, hi()).timeout(BOUND).await.unwrap();
    }
    let after = station.counts();
    assert_eq!(after.relayed_calls - before.relayed_calls, 40);
    // Who provides it is asked anew when what is known is old, and not more often.
    let most = begun.elapsed().as_secs() / FRESH.as_secs() + 1;
    let asked = after.answered - before.answered;
    assert!(asked <= most, "{asked} questions, {most} expected at most");
    drop(provider);
}
