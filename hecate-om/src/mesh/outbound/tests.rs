//! Calls over a mesh that does as it is told.

mod station;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use macula_rust::pool::PoolError;
use macula_rust::station_link::LinkError;
use serde::{Deserialize, Serialize};

use super::balance::Outstanding;
use super::wire::{Talking, WireError, Wiring};
use super::*;
use crate::capability::{Capability, CapabilityInfo, Trace};
use crate::client::calling::{Cause, Seal, sealed};
use crate::client::{CallSettings, Calls, Parent};
use crate::config::mesh::Resolve;
use crate::mesh::metadata;
use crate::mesh::value::Value;
use crate::service::{IdentitySpec, ServiceInfo, Uses};

struct Lab;

#[derive(Debug, Deserialize, Serialize)]
struct Text {
    text: String,
}

const SAY: Capability<Lab, Text, Text> = Capability::new("hecate-lab", "lab.say", 1);

static CAPABILITIES: [CapabilityInfo; 0] = [];
static INFO: ServiceInfo = {
    let identity = IdentitySpec::new("caller", &[], &[], 30);
    ServiceInfo::new("hecate-caller", "1.0.0", "", "", "", &CAPABILITIES, identity, 1, "{}")
};

impl Uses<Lab> for Lab {}

struct Root(Arc<Calls>);

impl sealed::Sealed for Root {}

impl Parent for Root {
    type Service = Lab;

    fn calls(&self, _: Seal) -> &Arc<Calls> {
        &self.0
    }

    fn cause(&self, _: Seal) -> Cause {
        Cause { hops: 3, deadline: None, trace: Trace::fresh() }
    }
}

/// What a provider does with a call.
#[derive(Debug, Clone)]
enum Does {
    Says(&'static str),
    Fails(PoolError),
    /// With this refusal, in band.
    Refuses(&'static str),
    /// With this refusal, after so many seconds.
    RefusesLate(&'static str, u64),
    /// After so long.
    Late(u64),
    /// Whoever shows no token.
    AsksForToken,
}

/// Providers and what they do, the last of it for ever.
#[derive(Default)]
struct Fabric {
    advertised: Mutex<Vec<NodeId>>,
    does: Mutex<HashMap<NodeId, VecDeque<Does>>>,
    asked: Mutex<Vec<(NodeId, Value, Duration, bool)>>,
    resolved: AtomicUsize,
    /// Whether nobody can be asked any more who provides it.
    is_blind: AtomicBool,
}

impl Fabric {
    fn of(providers: &[(u8, &[Does])]) -> Arc<Self> {
        let fabric = Self::default();
        for (number, does) in providers {
            fabric.advertised.lock().unwrap().push(node(*number));
            fabric.does.lock().unwrap().insert(node(*number), does.iter().cloned().collect());
        }
        Arc::new(fabric)
    }

    fn asked(&self) -> Vec<NodeId> {
        self.asked.lock().unwrap().iter().map(|(node, ..)| *node).collect()
    }
}

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

impl Wire for Arc<Fabric> {
    fn providers(&self, procedure: Arc<str>) -> Wiring<Vec<NodeId>> {
        assert_eq!(&*procedure, "hecate-lab/lab.say_v1");
        self.resolved.fetch_add(1, Ordering::Relaxed);
        if self.is_blind.load(Ordering::Relaxed) {
            return Box::pin(async { Err(WireError::Pool(PoolError::Link(LinkError::Closed))) });
        }
        let advertised = self.advertised.lock().unwrap().clone();
        Box::pin(async move { Ok(advertised) })
    }

    fn open(&self, _: Request) -> Wiring<Talking> {
        Box::pin(async { Err(WireError::Broken("no streams".to_owned())) })
    }

    fn call(&self, request: Request, outstanding: Outstanding) -> Wiring<Value> {
        let Request { provider, payload, timeout, token, .. } = request;
        self.asked.lock().unwrap().push((provider, payload, timeout, token.is_some()));
        let does = {
            let mut all = self.does.lock().unwrap();
            let does = all.get_mut(&provider).unwrap();
            if does.len() > 1 { does.pop_front().unwrap() } else { does[0].clone() }
        };
        let pool = |error| Err(WireError::Pool(error));
        let refusal = |code: &str| {
            let error = CapabilityError::new(ErrorCode::from_wire(code.to_owned()), "why");
            Ok(metadata::refusal(&error.retryable(Some(Duration::from_secs(9)))))
        };
        let done = tokio::spawn(async move {
            let _outstanding = outstanding;
            match does {
                Does::Says(what) => Ok(Value::Map(vec![(Value::text("text"), Value::text(what))])),
                Does::Fails(error) => pool(error),
                Does::Refuses(code) => refusal(code),
                Does::RefusesLate(code, seconds) => {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    refusal(code)
                }
                Does::Late(seconds) => {
                    let late = Duration::from_secs(seconds);
                    tokio::time::sleep(late.min(timeout)).await;
                    if late < timeout {
                        return Ok(Value::Map(vec![(Value::text("text"), Value::text("late"))]));
                    }
                    pool(PoolError::Link(LinkError::CallTimeout))
                }
                Does::AsksForToken if token.is_none() => pool(provider_error("unauthorized")),
                Does::AsksForToken => Ok(Value::Map(vec![(Value::text("text"), Value::text("welcome"))])),
            }
        });
        Box::pin(async move { done.await.unwrap() })
    }
}

fn provider_error(code: &str) -> PoolError {
    PoolError::Link(LinkError::Provider { responded_by: [1; 32], code: code.to_owned(), detail: None })
}

fn gone() -> Does {
    let (reported_by, code) = ([9; 32], "unknown_next_peer".to_owned());
    Does::Fails(PoolError::Link(LinkError::Relay { reported_by, code }))
}

fn broken() -> Does {
    Does::Fails(PoolError::Link(LinkError::ClosedByStation("restart".to_owned())))
}

fn settings() -> CallSettings {
    CallSettings {
        org: INFO.name.to_owned(),
        peers: BTreeMap::new(),
        resolve: Resolve::Nearest,
        realm: None,
        runtime_dir: PathBuf::from("/nowhere"),
    }
}

fn caller(fabric: &Arc<Fabric>, tokens: Option<TokenSource>) -> Root {
    let calls = Calls::new(&INFO, settings());
    calls.join_mesh(Arc::new(Outbound::over(Box::new(Arc::clone(fabric)), tokens)));
    Root(calls)
}

fn hi() -> Text {
    Text { text: "hi".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_out_with_its_metadata_and_its_reply_comes_back() {
    let fabric = Fabric::of(&[(1, &[Does::Says("hello")])]);
    let root = caller(&fabric, None);
    let said = SAY.call(&root, hi()).timeout(Duration::from_secs(4)).detailed().await.unwrap();
    assert_eq!((said.reply.text.as_str(), said.via, said.provider), ("hello", Via::Mesh, Some(node(1))));
    let (_, payload, timeout, had_token) = fabric.asked.lock().unwrap()[0].clone();
    assert_eq!((timeout, had_token), (Duration::from_secs(4), false));
    assert_eq!(payload.get("text"), Some(&Value::text("hi")));
    let told = payload.get("_hecate").unwrap();
    assert_eq!((told.get("hops"), told.get("deadline_ms")), (Some(&Value::Int(3)), Some(&Value::Int(4000))));
    assert!(matches!(told.get("traceparent"), Some(Value::Text(trace)) if trace.starts_with("00-")));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_as_the_handler_said_it_and_no_other_provider_is_asked() {
    for code in ["no_name", "unavailable", "timeout", "unknown_capability", "rate_limited"] {
        let fabric = Fabric::of(&[(1, &[Does::Refuses(code)]), (2, &[Does::Refuses(code)])]);
        let error = SAY.call(&caller(&fabric, None), hi()).await.unwrap_err();
        let refusal = error.refusal().unwrap();
        assert_eq!((refusal.code(), refusal.message()), (code, "why"));
        assert_eq!(refusal.retry_after(), Some(Duration::from_secs(9)));
        assert_eq!((fabric.asked().len(), error.attempts().len()), (1, 1), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_did_not_run_goes_to_another_provider_and_its_error_tells_of_each() {
    for failure in
        [gone(), Does::Refuses("draining"), Does::Refuses("overloaded"), Does::Fails(provider_error("caller_quota"))]
    {
        let fabric = Fabric::of(&[(1, std::slice::from_ref(&failure)), (2, &[Does::Says("hello")])]);
        let root = caller(&fabric, None);
        for _ in 0..20 {
            assert_eq!(SAY.call(&root, hi()).await.unwrap().text, "hello");
        }
        let to_the_bad = fabric.asked().iter().filter(|asked| **asked == node(1)).count();
        assert!(to_the_bad <= 1, "it was asked {to_the_bad} times: {failure:?}");

        let fabric = Fabric::of(&[(1, std::slice::from_ref(&failure)), (2, &[gone()])]);
        let error = SAY.call(&caller(&fabric, None), hi()).await.unwrap_err();
        let tried: HashSet<_> = error.attempts().iter().map(|attempt| attempt.provider).collect();
        assert_eq!(tried, HashSet::from([Some(node(1)), Some(node(2))]), "{error}");
        assert!(error.is_retryable(), "{error}");
    }
    let fabric = Fabric::of(&[(1, &[gone()])]);
    let error = SAY.call(&caller(&fabric, None), hi()).await.unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, CallError::NotReached { .. }), "{told}");
    let expected = "no provider of `hecate-lab/lab.say@1` could be reached; tried over the mesh at node 01010101: \
                    the station does not reach it: unknown_next_peer (";
    assert!(told.starts_with(expected), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_costs_one_question_to_the_provider_and_none_to_a_station() {
    for failure in [Does::Refuses("overloaded"), Does::Refuses("draining"), Does::Fails(provider_error("caller_quota"))]
    {
        let fabric = Fabric::of(&[(1, std::slice::from_ref(&failure))]);
        let (root, begun) = (caller(&fabric, None), Instant::now());
        for _ in 0..50 {
            let error = SAY.call(&root, hi()).await.unwrap_err();
            assert!(error.is_retryable() && error.refusal().is_some(), "{error}");
        }
        assert_eq!((fabric.asked().len(), fabric.resolved.load(Ordering::Relaxed)), (50, 1), "{failure:?}");
        assert_eq!(begun.elapsed(), Duration::ZERO, "when it comes again is for the caller to say");
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_told_to_come_again_is_told_that_though_others_cannot_be_looked_for() {
    let fabric = Fabric::of(&[(1, &[Does::RefusesLate("overloaded", 20)])]);
    let root = caller(&fabric, None);
    let blind = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        fabric.is_blind.store(true, Ordering::Relaxed);
    };
    let (said, ()) = tokio::join!(SAY.call(&root, hi()).timeout(Duration::from_secs(60)).into_future(), blind);
    let error = said.unwrap_err();
    let refusal = error.refusal().unwrap_or_else(|| panic!("{error}"));
    assert_eq!((refusal.code(), refusal.retry_after()), ("overloaded", Some(Duration::from_secs(9))));
    assert_eq!(error.attempts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_run_is_not_made_again_unless_it_may_be() {
    for (failure, expected) in [(broken(), "Broken"), (Does::Late(60), "Timeout")] {
        let fabric = Fabric::of(&[(1, std::slice::from_ref(&failure)), (2, std::slice::from_ref(&failure))]);
        let error = SAY.call(&caller(&fabric, None), hi()).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
        assert_eq!((fabric.asked().len(), error.attempts().len()), (1, 1));

        for _ in 0..10 {
            let fabric = Fabric::of(&[(1, std::slice::from_ref(&failure)), (2, &[Does::Says("hello")])]);
            let root = caller(&fabric, None);
            let again = SAY.idempotent().call(&root, hi());
            let begun = Instant::now();
            assert_eq!(again.timeout(Duration::from_secs(8)).await.unwrap().text, "hello");
            assert!(begun.elapsed() <= Duration::from_millis(4010), "it left time for the second");
        }
        // Where an earlier attempt may have run, that is what is told.
        let fabric = Fabric::of(&[(1, std::slice::from_ref(&failure)), (2, std::slice::from_ref(&failure))]);
        let error = SAY.idempotent().call(&caller(&fabric, None), hi()).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
        assert_eq!(error.attempts().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn one_deadline_ends_all_attempts() {
    let fabric = Fabric::of(&[(1, &[Does::Late(60)]), (2, &[Does::Late(60)]), (3, &[Does::Late(60)])]);
    let begun = Instant::now();
    let error = SAY.idempotent().call(&caller(&fabric, None), hi()).timeout(Duration::from_secs(8)).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout { .. }), "{error:?}");
    assert_eq!(error.attempts().len(), 3);
    assert!((8000..8050).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert!(error.to_string().contains("did not answer within 8s; tried over the mesh at node "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_provider_that_is_the_freshest_does_not_keep_winning() {
    // First in the list is the freshest advertisement.
    let fabric = Fabric::of(&[(1, &[gone()]), (2, &[Does::Says("hello")]), (3, &[Does::Says("hello")])]);
    let root = caller(&fabric, None);
    for _ in 0..1000 {
        assert_eq!(SAY.call(&root, hi()).await.unwrap().text, "hello");
    }
    let asked = fabric.asked();
    let of = |number| asked.iter().filter(|asked| **asked == node(number)).count();
    assert!(of(1) <= 1, "the dead one was asked {} times", of(1));
    assert!(of(2).abs_diff(500) < 100 && of(3).abs_diff(500) < 100, "{} and {}", of(2), of(3));
    // It comes back, and gets its part again.
    fabric.does.lock().unwrap().insert(node(1), VecDeque::from([Does::Says("hello")]));
    tokio::time::advance(Duration::from_secs(10)).await;
    let before = fabric.asked().len();
    for _ in 0..100 {
        SAY.call(&root, hi()).await.unwrap();
    }
    assert!(fabric.asked()[before..].contains(&node(1)));
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_told_at_once_and_asked_again_a_second_later() {
    let fabric = Fabric::of(&[]);
    let root = caller(&fabric, None);
    let begun = Instant::now();
    for _ in 0..50 {
        let error = SAY.call(&root, hi()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "nobody provides `hecate-lab/lab.say@1`: it runs neither in this process nor on this box, and nobody \
             advertises it on the mesh; help: start `hecate-lab`, or name its org with HECATE_PEERS=hecate-lab=<org>"
        );
        assert!(error.is_retryable() && error.attempts().is_empty());
    }
    assert_eq!((fabric.resolved.load(Ordering::Relaxed), begun.elapsed()), (1, Duration::ZERO));
    *fabric.advertised.lock().unwrap() = vec![node(1)];
    fabric.does.lock().unwrap().insert(node(1), VecDeque::from([Does::Says("hello")]));
    tokio::time::advance(MISSED).await;
    assert_eq!(SAY.call(&root, hi()).await.unwrap().text, "hello");
}

#[tokio::test(start_paused = true)]
async fn a_call_pinned_to_a_node_goes_there_and_nowhere_else() {
    let fabric = Fabric::of(&[(1, &[Does::Says("one")]), (2, &[gone()])]);
    let root = caller(&fabric, None);
    for _ in 0..20 {
        assert_eq!(SAY.call(&root, hi()).pin(node(1)).await.unwrap().text, "one");
    }
    let error = SAY.call(&root, hi()).pin(node(2)).await.unwrap_err();
    assert!(matches!(error, CallError::NotReached { .. }), "{error}");
    assert_eq!(fabric.asked().len(), 21);
    tokio::time::advance(MISSED).await;
    let error = SAY.call(&root, hi()).pin(node(3)).await.unwrap_err();
    let expected = format!("node {} does not advertise `hecate-lab/lab.say@1`", node(3));
    assert_eq!((error.to_string(), error.is_retryable()), (expected, false));
    assert_eq!(fabric.asked().len(), 21);
    // One that has come since is found, although others are remembered.
    fabric.advertised.lock().unwrap().push(node(3));
    fabric.does.lock().unwrap().insert(node(3), VecDeque::from([Does::Says("three")]));
    tokio::time::advance(MISSED).await;
    assert_eq!(SAY.call(&root, hi()).pin(node(3)).await.unwrap().text, "three");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_shown_where_it_is_needed() {
    let held: TokenSource = Arc::new(|procedure| {
        assert_eq!(procedure, "hecate-lab/lab.say_v1");
        Some(b"token".as_slice().into())
    });
    let shown = |fabric: &Arc<Fabric>| fabric.asked.lock().unwrap().iter().map(|asked| asked.3).collect::<Vec<_>>();
    // What is not open needs one.
    let fabric = Fabric::of(&[(1, &[Does::AsksForToken])]);
    SAY.call(&caller(&fabric, Some(Arc::clone(&held))), hi()).await.unwrap();
    assert_eq!(shown(&fabric), [true]);
    // What is said to be open gets none, until it asks.
    let fabric = Fabric::of(&[(1, &[Does::AsksForToken])]);
    let root = caller(&fabric, Some(held));
    for _ in 0..3 {
        assert_eq!(SAY.open().call(&root, hi()).await.unwrap().text, "welcome");
    }
    assert_eq!(shown(&fabric), [false, true, true, true]);
    // Whoever holds none is told what to do.
    let fabric = Fabric::of(&[(1, &[Does::AsksForToken]), (2, &[Does::AsksForToken])]);
    let error = SAY.call(&caller(&fabric, None), hi()).await.unwrap_err();
    assert_eq!((error.code(), fabric.asked().len()), (Some("unauthorized"), 1));
    let told = error.to_string();
    assert!(told.contains("holds none for it; help: let the realm grant `call:hecate-lab/lab.say@1`"), "{told}");
    // A token of the caller's own is shown as it is.
    let fabric = Fabric::of(&[(1, &[Does::AsksForToken])]);
    SAY.call(&caller(&fabric, None), hi()).token(*b"mine").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_takes_nothing_along() {
    let fabric = Fabric::of(&[(1, &[Does::Late(5)])]);
    let root = caller(&fabric, None);
    let call = SAY.call(&root, hi()).into_future();
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    // The SDK's call goes on to its end, so that the SDK forgets it; another one is not held up.
    assert_eq!(SAY.call(&root, hi()).await.unwrap().text, "late");
}

#[tokio::test]
async fn without_a_link_the_causes_are_told() {
    let (_state, watched) = tokio::sync::watch::channel(crate::mesh::link::Linked::Down(vec![
        "station 10.0.0.1:4433: it is another node than its pin".to_owned(),
    ]));
    let links = Arc::new(Links::new(node(7), watched));
    let calls = Calls::new(&INFO, CallSettings { resolve: Resolve::Mesh, ..settings() });
    calls.join_mesh(Outbound::new(links, tokio::runtime::Handle::current(), None, Arc::default()));
    let error = SAY.call(&Root(Arc::clone(&calls)), hi()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "nobody provides `hecate-lab/lab.say@1` on this box, and this service is not on the mesh; \
         station 10.0.0.1:4433: it is another node than its pin"
    );
    assert!(matches!(calls.providers(SAY).await, Err(CallError::NotOnMesh { .. })));
}
