//! A station and nodes that are linked to it.

use std::future::Future;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hecate_om_station::{Keys, Options, Station};
use macula_rust::cbor::Value;
use macula_rust::node_key::NodeKey;
use macula_rust::pool::{Call, Offer, Opts, Pool, PoolError, Seed};
use macula_rust::profile::Profile;
use macula_rust::station_link::{LinkError, handler};

pub(crate) const REALM: &str = "hecate.local";
const CLAIM: &str = "_realm/_realm/identity/request_provider_authorization_v1";
const TOKEN: &str = "_realm/_realm/identity/issue_service_token_v1";

/// How long anything may take that is to happen at all, on a box that is busy.
const BOUND: Duration = Duration::from_secs(30);

/// A key without a puzzle: made at once.
pub(crate) fn key() -> Arc<NodeKey> {
    Arc::new(NodeKey::generate_identity(Profile::PqPure, 0).unwrap())
}

/// A key of the profile that the fleet runs. Making one takes seconds.
pub(crate) static HYBRID: LazyLock<Arc<NodeKey>> = LazyLock::new(hybrid_key);

pub(crate) fn hybrid_key() -> Arc<NodeKey> {
    Arc::new(NodeKey::generate_identity(Profile::PqHybrid, 0).unwrap())
}

pub(crate) fn options() -> Options {
    Options { puzzle_difficulty: 0, ..Options::new(Keys { node: key(), realm: key() }, REALM) }
}

pub(crate) async fn station() -> Station {
    Station::start(options()).await.unwrap()
}

pub(crate) fn seed(station: &Station) -> Seed {
    Seed { host: "127.0.0.1".to_owned(), port: station.address().port(), node_id: station.node_id() }
}

/// What a node links with that trusts the station's realm.
pub(crate) fn opts(station: &Station, key: Arc<NodeKey>) -> Opts {
    let mut opts = Opts::new(key);
    opts.realm_trust.insert(station.realm_id(), station.realm_key());
    opts.respawn_delay = Duration::from_millis(50);
    opts.connect_timeout = BOUND;
    opts
}

pub(crate) async fn link(station: &Station, key: Arc<NodeKey>) -> Pool {
    Pool::connect(vec![seed(station)], opts(station, key)).await.unwrap()
}

/// A node that is linked.
pub(crate) async fn node(station: &Station) -> Pool {
    link(station, key()).await
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(BOUND, waiting).await.unwrap_or_else(|_| panic!("not so in time: {what}"));
}

/// What comes within the bound.
pub(crate) async fn soon<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, coming).await.expect("it should have come by now")
}

pub(crate) fn text(text: &str) -> Value {
    Value::text(text)
}

pub(crate) fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (Value::text(name), value)).collect())
}

/// An offer that answers what it was asked, with who asked.
pub(crate) fn echo(station: &Station, procedure: &str) -> Offer {
    let answer = |request: macula_rust::station_link::Request| async move {
        Ok(map([("said", request.payload), ("by", Value::Bytes(request.caller.to_vec()))]))
    };
    Offer::unary(station.realm_id(), procedure, handler(answer))
}

pub(crate) fn call(station: &Station, procedure: &str) -> Call {
    Call { realm: station.realm_id(), procedure: procedure.to_owned(), timeout: BOUND, ..Call::default() }
}

/// Asks the realm to admit an org.
pub(crate) async fn claim(station: &Station, node: &Pool, org: &str) -> Result<Value, PoolError> {
    let payload = map([("org", text(org)), ("service_name", text(org)), ("box", text("a box"))]);
    node.call(Call { payload, ..call(station, &format!("{REALM}/{CLAIM}")) }).await
}

/// Asks the realm for a token.
pub(crate) async fn token(station: &Station, node: &Pool, org: &str, actions: &[&str]) -> Result<Vec<u8>, PoolError> {
    let payload = map([
        ("org", text(org)),
        ("service_name", text(org)),
        ("scope", text(org)),
        ("actions", Value::List(actions.iter().map(|action| text(action)).collect())),
        ("resources", Value::List(Vec::new())),
        ("ttl_days", Value::Int(30)),
    ]);
    let answer = node.call(Call { payload, ..call(station, &format!("{REALM}/{TOKEN}")) }).await?;
    assert!(matches!(answer.get("expires_at_ms"), Some(Value::Int(_))));
    match answer.get("token") {
        Some(Value::Bytes(token)) => Ok(token.clone()),
        other => panic!("no token: {other:?}"),
    }
}

/// The code and detail of what a provider answered.
#[track_caller]
pub(crate) fn told<T: std::fmt::Debug>(answer: Result<T, PoolError>) -> (String, String) {
    match answer.unwrap_err() {
        PoolError::Link(LinkError::Provider { code, detail, .. }) => (code, detail.unwrap_or_default()),
        other => panic!("not a provider's answer: {other:?}"),
    }
}
