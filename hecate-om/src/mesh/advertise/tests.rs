//! Advertisements at a real station that does not do what it should.

use hecate_om_station::{Keys, Options, RefusedRegistrations, RegistrationAnswer, Registrations, Station};
use macula_rust::cbor::Value;
use macula_rust::pool::{Call, Opts, Seed};
use macula_rust::profile::Profile;
use macula_rust::station_link::handler;

use super::*;

const PROCEDURE: &str = "hecate-lab/lab.say_v1";
/// How long anything may take that is to happen at all, on a box that is busy.
const BOUND: Duration = Duration::from_secs(60);

fn key() -> Arc<NodeKey> {
    Arc::new(NodeKey::generate_identity(Profile::PqPure, 0).unwrap())
}

fn offered(procedure: &'static str) -> Offered {
    let offer = move |realm: &Realm| {
        assert!(!procedure.contains("broken"), "nobody offers that");
        Offer::unary(realm.id, procedure, handler(async |_| Ok(Value::Map(Vec::new()))))
    };
    Offered { procedure: procedure.to_owned(), offer: Box::new(offer) }
}

struct Lab {
    station: Station,
    pool: Pool,
    realm: Realm,
    advertisements: Arc<Advertisements>,
    /// The link is up as long as this is kept.
    _linked: watch::Sender<Linked>,
}

impl Lab {
    /// One procedure, at a station that admits its org, and is not asked to take it yet.
    async fn new() -> Self {
        Self::offering([PROCEDURE]).await
    }

    /// Those procedures; what offers one whose name holds `broken` panics.
    async fn offering<const N: usize>(procedures: [&'static str; N]) -> Self {
        let options = Options::new(Keys { node: key(), realm: key() }, "hecate.local");
        let station = Station::start(Options { puzzle_difficulty: 0, ..options }).await.unwrap();
        let identity = key();
        let mut opts = Opts::new(Arc::clone(&identity));
        opts.realm_trust.insert(station.realm_id(), station.realm_key());
        opts.connect_timeout = BOUND;
        let (host, port) = ("127.0.0.1".to_owned(), station.address().port());
        let pool = Pool::connect(vec![Seed { host, port, node_id: station.node_id() }], opts).await.unwrap();
        let field = |name: &str, value: &str| (Value::text(name), Value::text(value));
        let claim = Call {
            realm: station.realm_id(),
            procedure: "hecate.local/_realm/_realm/identity/request_provider_authorization_v1".to_owned(),
            payload: Value::Map(vec![
                field("org", "hecate-lab"),
                field("service_name", "hecate-lab"),
                field("box", "here"),
            ]),
            timeout: BOUND,
            ..Call::default()
        };
        pool.call(claim).await.unwrap();
        let realm = Realm { id: station.realm_id(), name: None, key: station.realm_key() };
        let (node, stations) = (NodeId::from_bytes(pool.node_id()), vec![NodeId::from_bytes(station.node_id())]);
        let up = Linked::Up { pool: pool.clone(), realm: realm.clone(), stations };
        let (linked, state) = watch::channel(up);
        let offers = procedures.into_iter().map(offered).collect();
        let advertisements = Advertisements::new(Arc::new(Links::new(node, state)), identity, offers).unwrap();
        Self { station, pool, realm, advertisements, _linked: linked }
    }

    fn keep(&self) -> JoinSet<()> {
        let (_, claim) = watch::channel(Claim::Unserved);
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&self.advertisements).keep(claim));
        tasks
    }

    fn shown(&self) -> Shown {
        self.advertisements.shown(Instant::now()).remove(0)
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Shown) -> bool) {
        let begun = Instant::now();
        while !is_so(&self.shown()) {
            assert!(begun.elapsed() < BOUND, "{what}: {:?}", self.shown());
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn providers(&self) -> usize {
        self.pool.providers(&self.realm.id, PROCEDURE).await.map_or(0, |found| found.len())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_does_not_acknowledge_once_does_so_later_on_the_same_link() {
    let lab = Lab::new().await;
    lab.station.faults().refuse_registrations(RefusedRegistrations {
        of: Registrations::Named(PROCEDURE.to_owned()),
        answer: RegistrationAnswer::Silence,
        times: Some(1),
    });
    let _keeping = lab.keep();
    lab.until("told while it is waited for", |shown| {
        shown.error.as_deref().is_some_and(|error| error.contains("did not acknowledge it within 10s"))
    })
    .await;
    lab.until("advertised", |shown| shown.is_advertised).await;
    assert_eq!(lab.providers().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_while_a_station_takes_it_is_not_advertised_after_that() {
    let lab = Lab::new().await;
    lab.station.faults().freeze();
    let mut keeping = lab.keep();
    // It asks for its permission, and is not answered.
    let turns = lab.advertisements.rows[PROCEDURE].pace.at(NodeId::from_bytes(lab.station.node_id()));
    lab.until("has its turn", |_| turns.available_permits() < AT_ONCE).await;
    timeout(BOUND, lab.advertisements.withdraw()).await.unwrap();
    lab.station.faults().thaw();
    timeout(BOUND, keeping.join_next()).await.unwrap().unwrap().unwrap();
    assert!(!lab.shown().is_advertised);
    assert_eq!((lab.providers().await, lab.station.counts().procedures), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_back_is_answered_until_it_is_stopped() {
    let lab = Lab::new().await;
    let mut keeping = lab.keep();
    lab.until("advertised", |shown| shown.is_advertised).await;
    let call = || Call {
        realm: lab.realm.id,
        procedure: PROCEDURE.to_owned(),
        provider: lab.pool.node_id(),
        timeout: BOUND,
        ..Call::default()
    };
    lab.pool.call(call()).await.unwrap();
    lab.advertisements.withdraw().await;
    assert_eq!(lab.providers().await, 0);
    // Who looks for itself now does not find itself, and must go on answering.
    timeout(BOUND, keeping.join_next()).await.unwrap().unwrap().unwrap();
    lab.pool.call(call()).await.unwrap();
    assert_eq!(lab.shown().error, None);
    lab.advertisements.stop().await;
    assert!(lab.pool.call(call()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_panics_hurts_no_other_and_is_told() {
    let lab = Lab::offering(["hecate-lab/lab.broken_v1", PROCEDURE]).await;
    let _keeping = lab.keep();
    let begun = Instant::now();
    let (broken, well) = loop {
        let shown = lab.advertisements.shown(Instant::now());
        let [broken, well] = <[Shown; 2]>::try_from(shown).unwrap();
        if broken.error.is_some() && well.is_advertised {
            break (broken, well);
        }
        assert!(begun.elapsed() < BOUND, "{broken:?} {well:?}");
        sleep(Duration::from_millis(10)).await;
    };
    assert!(broken.error.unwrap().contains("panicked") && !broken.is_advertised && broken.failing_ms.is_some());
    assert_eq!((well.procedure.as_str(), well.error), (PROCEDURE, None));
}

#[tokio::test(start_paused = true)]
async fn what_looks_after_an_advertisement_begins_again_after_a_panic() {
    let row = |procedure| {
        let pace = Arc::new(Pace { count: 2, turns: Mutex::default() });
        let standing = Standing::new(Arc::default());
        standing.acknowledged();
        Arc::new(Row::new(offered(procedure), standing, pace))
    };
    let rows = [row("hecate-lab/lab.well_v1"), row("hecate-lab/lab.broken_v1")];
    let (begun, counted) = watch::channel(0);
    let looking = look_after(rows.iter().cloned(), |row| {
        let begun = begun.clone();
        async move {
            if row.offered.procedure.contains("broken") {
                begun.send_modify(|begun| *begun += 1);
                assert!(*begun.borrow() > 2, "the first and the second time");
            }
            std::future::pending::<()>().await;
        }
    });
    assert!(timeout(Duration::from_secs(300), looking).await.is_err(), "it never ends");
    assert_eq!(*counted.borrow(), 3);
    let shown = rows.each_ref().map(|row| row.standing.shown(&row.offered.procedure, Instant::now()));
    assert_eq!(shown[0].error, None);
    assert!(shown[1].error.as_deref().is_some_and(|error| error.contains("panicked")) && !shown[1].is_advertised);
}
