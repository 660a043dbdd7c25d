//! Claim and tokens against a real station with a realm of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hecate_om_station::{Keys, Options, Station};
use macula_rust::cbor::Value;
use macula_rust::node_key::{NodeKey, key_id_of};
use macula_rust::pool::{Call, Offer, Opts, Pool, PoolError, Seed};
use macula_rust::profile::Profile;
use macula_rust::station_link::{LinkError, handler};
use macula_rust::ucan::Policy;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::claim::{Claim, Claims};
use super::names::Names;
use super::names::tests::parrot;
use super::token::{TokenState, Tokens};
use crate::config::mesh::Realm;
use crate::health::board::Board;
use crate::health::fixtures;
use crate::mesh::link::{Linked, Links};
use crate::node_id::NodeId;
use crate::service::IdentitySpec;

const PROFILE: Profile = Profile::PqPure;
const REALM: &str = "hecate.local";
/// More than the realm is left alone for after its first refusals.
const BOUND: Duration = Duration::from_secs(60);

static SPEC: IdentitySpec =
    IdentitySpec::new("parrot", &["answer:parrot.repeat@1", "call:hecate-echo/echo.say@1"], &[], 30);

fn key() -> Arc<NodeKey> {
    Arc::new(NodeKey::generate_identity(PROFILE, 0).unwrap())
}

/// A station, and whoever is linked to it.
struct Lab {
    station: Station,
}

impl Lab {
    async fn new() -> Self {
        let mut options = Options::new(Keys { node: key(), realm: key() }, REALM);
        options.puzzle_difficulty = 0;
        Self { station: Station::start(options).await.unwrap() }
    }

    fn realm(&self) -> Realm {
        Realm { id: self.station.realm_id(), name: Some(REALM.to_owned()), key: self.station.realm_key() }
    }

    async fn pool(&self) -> Pool {
        let mut options = Opts::new(key());
        options.realm_trust = HashMap::from([(self.station.realm_id(), self.station.realm_key())]);
        options.connect_timeout = BOUND;
        let address = self.station.address();
        let seed = Seed { host: address.ip().to_string(), port: address.port(), node_id: self.station.node_id() };
        Pool::connect(vec![seed], options).await.unwrap()
    }

    async fn service(&self, names: Names) -> Identified {
        let pool = self.pool().await;
        let up = Linked::Up { pool: pool.clone(), realm: self.realm(), stations: Vec::new() };
        let (link, state) = watch::channel(up.clone());
        let links = Arc::new(Links::new(NodeId::from_bytes(pool.node_id()), state));
        let (names, board) = (Arc::new(names), fixtures::running());
        let claims = Claims::new(Arc::clone(&links), Arc::clone(&names), Arc::clone(&board));
        let tokens = Tokens::new(links, names, &SPEC, &[], true, PROFILE, Arc::clone(&board));
        let (claim, token) = (claims.state(), tokens.state());
        let mut running = JoinSet::new();
        running.spawn(claims.run());
        running.spawn(Arc::clone(&tokens).run(claim.clone()));
        Identified { pool, link, up, board, claim, token, tokens, _running: running }
    }
}

/// A service whose claim and tokens are looked after.
struct Identified {
    pool: Pool,
    link: watch::Sender<Linked>,
    up: Linked,
    board: Arc<Board>,
    claim: watch::Receiver<Claim>,
    token: watch::Receiver<TokenState>,
    tokens: Arc<Tokens>,
    _running: JoinSet<()>,
}

impl Identified {
    async fn claim_is(&mut self, what: fn(&Claim) -> bool) -> Claim {
        let found = tokio::time::timeout(BOUND, self.claim.wait_for(what)).await.map(|found| found.unwrap().clone());
        found.unwrap_or_else(|_| panic!("{:?}", self.claim.borrow()))
    }

    async fn token_is(&mut self, what: fn(&TokenState) -> bool) -> TokenState {
        let found = tokio::time::timeout(BOUND, self.token.wait_for(what)).await.map(|found| found.unwrap().clone());
        found.unwrap_or_else(|_| panic!("{:?}", self.token.borrow()))
    }

    /// Waits until health says so: it is told a moment after the state.
    async fn health_says(&self, what: &str, says: bool) {
        let health = || serde_json::to_string(&self.board.report(true)).unwrap();
        let told = async {
            while health().contains(what) != says {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(BOUND, told).await.unwrap_or_else(|_| panic!("{}", health()));
    }
}

fn is_issued(claim: &Claim) -> bool {
    matches!(claim, Claim::Issued { .. })
}

fn is_pending(claim: &Claim) -> bool {
    matches!(claim, Claim::Pending { .. })
}

fn is_held(state: &TokenState) -> bool {
    matches!(state, TokenState::Held { .. })
}

/// Serves a procedure to members of the realm.
async fn serve(lab: &Lab, procedure: &str) -> Pool {
    let (pool, realm) = (lab.pool().await, lab.realm());
    let mut offer = Offer::unary(realm.id, procedure, handler(|_| async { Ok(Value::text("said")) }));
    let key_id = key_id_of(&realm.key, PROFILE);
    offer.policy = Some(Policy::RealmMemberRequired { key_id, can: "call".to_owned() });
    pool.serve(offer).await.unwrap();
    pool
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_is_issued_and_the_token_that_comes_lets_its_bearer_in() {
    let lab = Lab::new().await;
    // The provider's org is admitted by its own claim.
    let mut echo = lab.service(Names { org: "acme".to_owned(), ..parrot() }).await;
    echo.claim_is(is_issued).await;
    let provider = serve(&lab, "acme/echo.say_v1").await;

    let mut parrot = lab.service(parrot()).await;
    parrot.claim_is(is_issued).await;
    let held = parrot.token_is(is_held).await;
    assert!(matches!(&held, TokenState::Held { lacks, .. } if lacks.is_empty()), "{held:?}");
    let call = |token: Option<Arc<[u8]>>| {
        let call = Call {
            realm: lab.realm().id,
            procedure: "acme/echo.say_v1".to_owned(),
            timeout: Duration::from_secs(20),
            token: token.map(|token| token.to_vec()),
            ..Call::default()
        };
        parrot.pool.call(call)
    };
    let refused = call(None).await;
    let is_refused = |error: &PoolError| matches!(error, PoolError::Link(LinkError::Provider { code, .. }) if code == "unauthorized");
    assert!(refused.as_ref().is_err_and(is_refused), "{refused:?}");
    let token = parrot.tokens.for_procedure("acme/echo.say_v1");
    assert_eq!(call(token).await.unwrap(), Value::text("said"));
    assert!(parrot.tokens.for_procedure("acme/echo.whisper_v1").is_none());
    parrot.health_says("degraded", false).await;
    provider.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_pending_is_asked_again_until_the_org_is_admitted() {
    let lab = Lab::new().await;
    lab.station.faults().hold_admission("zoo");
    let mut service = lab.service(parrot()).await;
    service.claim_is(is_pending).await;
    service.health_says("the realm hecate.local holds this claim pending since 2", true).await;
    service.health_says("ask its operator to admit org zoo", true).await;
    let refused = service.token_is(|state| matches!(state, TokenState::Failed { .. })).await;
    assert_eq!(refused, TokenState::Failed { cause: "the realm has not admitted the org zoo".to_owned() });
    lab.station.faults().allow_admission("zoo");
    service.claim_is(is_issued).await;
    service.token_is(is_held).await;
    service.health_says("degraded", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_realm_that_forgot_is_found_out_when_the_link_comes_back() {
    let lab = Lab::new().await;
    let mut service = lab.service(parrot()).await;
    service.claim_is(is_issued).await;
    lab.station.faults().hold_admission("zoo");
    // By the clock alone it would be asked again in minutes.
    service.link.send_replace(Linked::Down(Vec::new()));
    service.link.send_replace(service.up.clone());
    service.claim_is(is_pending).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_realm_that_nobody_answers_for_and_one_without_a_name_are_told_apart() {
    let lab = Lab::new().await;
    let mut service = lab.service(parrot()).await;
    service.claim_is(is_issued).await;
    // The same realm by another name has no procedures of that.
    let stranger = Realm { name: Some("elsewhere".to_owned()), ..lab.realm() };
    service.link.send_replace(Linked::Up { pool: service.pool.clone(), realm: stranger, stations: Vec::new() });
    service.claim_is(|claim| *claim == Claim::Unserved).await;
    let unnamed = Realm { name: None, ..lab.realm() };
    service.link.send_replace(Linked::Up { pool: service.pool.clone(), realm: unnamed, stations: Vec::new() });
    service.claim_is(|claim| *claim == Claim::Unnamed).await;
}
