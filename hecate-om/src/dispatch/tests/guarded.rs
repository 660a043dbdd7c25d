//! Who may call what, and how often, by each way.

use super::*;
use crate::capability::{Access, MAX_HOPS};
#[cfg(feature = "macula")]
use crate::config::mesh::{CryptoProfile, Realm};
use crate::guard::warrant::Token;
use crate::node_id::NodeId;

const ISSUER: NodeId = NodeId::from_bytes([3; 32]);

static GUARDED: [CapabilityInfo; 3] = [
    CapabilityInfo::new("lab.open", 1, "For all.", 1000).access(Access::Open),
    CapabilityInfo::new("lab.realm", 1, "For the realm.", 1000),
    CapabilityInfo::new("lab.issuer", 1, "For few.", 1000).access(Access::Issuer(ISSUER)),
];
static LAB: ServiceInfo = {
    let identity = IdentitySpec::new("lab", &[], &[], 30);
    ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", &GUARDED, identity, 8470, "{}")
};

/// Tells who called, and how.
fn lab() -> Arc<Dispatch> {
    let mut handlers = Handlers::<Lab>::new();
    for _ in &GUARDED {
        handlers.unary(async |_lab, call: Call<Lab>, _request: Text| {
            let text = format!("{} via {} after {}", call.caller(), call.via(), call.hops());
            Ok::<_, CapabilityError>(Text { text })
        });
    }
    let dispatch = Dispatch::new(&LAB);
    dispatch.open(handlers.bind(&Arc::new(Lab), &Calls::none_of(&INFO)));
    dispatch
}

/// What a call with this warrant comes to: what the handler said, or the code.
async fn call(dispatch: &Arc<Dispatch>, slot: usize, warrant: Warrant) -> Result<String, CapabilityError> {
    let origin = Origin { warrant, hops: 2, time_left: None };
    let body = Bytes::from_static(br#"{"text":""}"#);
    match dispatch.admit(slot, origin, None)?.answer(Input::Json(body))?.await? {
        Output::Json(reply) => Ok(serde_json::from_slice::<Text>(&reply).unwrap().text),
        _ => panic!("asked in JSON"),
    }
}

fn local(token: Option<Token>) -> Warrant {
    Warrant::Local { user: LocalUser::of(1000, 1000).unwrap(), token }
}

fn process(token: Option<Token>) -> Warrant {
    Warrant::Process { service: "hecate-parrot", token }
}

fn calls(dispatch: &Dispatch, slot: usize, outcome: Outcome) -> u64 {
    dispatch.tallies().nth(slot).unwrap().1.calls(outcome)
}

#[tokio::test]
async fn callers_of_this_box_and_process_pass_open_and_realm_and_need_a_token_for_an_issuers() {
    let dispatch = lab();
    for slot in [0, 1] {
        assert_eq!(call(&dispatch, slot, local(None)).await.unwrap(), "user 1000 via box after 2");
        assert_eq!(call(&dispatch, slot, process(None)).await.unwrap(), "service hecate-parrot via process after 2");
    }
    for warrant in [local(None), process(None)] {
        let refused = call(&dispatch, 2, warrant).await.unwrap_err();
        assert_eq!(refused.code(), "unauthorized");
        let message = refused.message();
        assert!(message.contains(&ISSUER.to_string()) && message.contains("Authorization: Bearer"), "{message}");
    }
    assert_eq!(calls(&dispatch, 2, Outcome::Unauthorized), 2);
    assert_eq!(dispatch.in_flight(), 0);
}

#[tokio::test]
async fn a_token_is_not_looked_at_before_it_is_known_against_what() {
    let dispatch = lab();
    let refused = call(&dispatch, 2, local(Some(Token::new(*b"a.b.c")))).await.unwrap_err();
    assert_eq!((refused.code(), refused.is_retryable()), ("unavailable", true));
}

#[tokio::test]
async fn a_call_that_too_many_led_to_is_refused_and_counts_once() {
    let dispatch = lab();
    let after = |hops| Origin { warrant: local(None), hops, time_left: None };
    assert!(dispatch.admit(0, after(MAX_HOPS), None).is_ok());
    let refused = dispatch.admit(0, after(MAX_HOPS + 1), None).err().unwrap();
    assert_eq!((refused.code(), refused.is_retryable()), ("too_many_hops", false));
    assert!(refused.message().contains("16") && refused.message().contains("lab.open"), "{refused}");
    // The first was dropped before its request came.
    assert_eq!(calls(&dispatch, 0, Outcome::Invalid), 2);
    assert_eq!(dispatch.in_flight(), 0);
}

#[tokio::test]
async fn the_deadline_is_the_callers_where_that_is_sooner() {
    let dispatch = lab();
    for (left, expected) in [(None, 1000), (Some(5000), 1000), (Some(20), 20), (Some(u64::MAX), 1000)] {
        let origin = Origin { warrant: local(None), hops: 0, time_left: left.map(Duration::from_millis) };
        let before = tokio::time::Instant::now();
        let mut call = dispatch.admit(0, origin, None).unwrap();
        let (least, most) = (before + Duration::from_millis(expected), tokio::time::Instant::now());
        let most = most + Duration::from_millis(expected);
        assert!((least..=most).contains(&call.deadline()), "{left:?}");
        let told = call.timed_out().message().to_owned();
        assert!(told.ends_with(&format!("within {:?}", Duration::from_millis(expected))), "{told}");
    }
}

#[cfg(feature = "macula")]
mod mesh {
    use macula_rust::node_key::{NodeKey, Purpose, node_id_of};
    use macula_rust::profile::Profile;
    use macula_rust::station_link::{Offer, handler};
    use macula_rust::ucan;

    use super::*;
    use crate::guard::Limits;
    const LIMITS: Limits = Limits::DEFAULT;
    use crate::guard::access::Standing;
    use crate::mesh::access::{Upheld, guarded};
    use crate::telemetry::seen;

    /// SHA-256 of `lab.local`.
    const REALM: &str = "0e3071ea932149e6742100ddda3e74399fd727f5c9f7c45d327c25f04ffdfd20";

    fn realm() -> Realm {
        let id: NodeId = REALM.parse().unwrap();
        Realm { id: *id.as_bytes(), name: Some("lab.local".to_owned()), key: vec![7; 2592] }
    }

    fn upheld(slot: usize) -> Upheld {
        let mut upheld = None;
        guarded(&GUARDED[slot], &realm(), CryptoProfile::PqPure, |made| {
            upheld = Some(made);
            Offer::unary(realm().id, "acme/lab.open_v1", handler(async |_| Err(String::new())))
        });
        upheld.unwrap()
    }

    fn from(node: u16, slot: usize) -> Warrant {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&node.to_le_bytes());
        Warrant::Mesh { node: Box::new(NodeId::from_bytes(bytes)), upheld: upheld(slot) }
    }

    #[tokio::test]
    async fn a_node_passes_by_the_policy_of_the_capability_and_by_no_other() {
        let dispatch = lab();
        for slot in 0..3 {
            let told = call(&dispatch, slot, from(1, slot)).await.unwrap();
            assert_eq!(told, format!("node 0100{} via mesh after 2", "00".repeat(30)));
            let refused = call(&dispatch, slot, from(1, (slot + 1) % 3)).await.unwrap_err();
            assert_eq!(refused.code(), "unauthorized");
        }
    }

    #[tokio::test]
    async fn a_token_of_the_issuer_opens_what_is_the_issuers_on_this_box_and_in_this_process() {
        let issuer = NodeKey::generate(Purpose::Identity, Profile::PqPure).unwrap();
        let node = NodeId::from_bytes(node_id_of(&issuer.public_key(), Profile::PqPure));
        let info = CapabilityInfo::new("lab.few", 1, "For few.", 1000).access(Access::Issuer(node));
        let infos: &'static [CapabilityInfo] = Box::leak(Box::new([info]));
        let identity = IdentitySpec::new("lab", &[], &[], 30);
        let service =
            ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", infos, identity, 8470, "{}");
        let dispatch = Dispatch::new(Box::leak(Box::new(service)));
        let mut handlers = Handlers::<Lab>::new();
        handlers.unary(async |_lab, _call: Call<Lab>, request: Text| Ok::<_, CapabilityError>(request));
        dispatch.open(handlers.bind(&Arc::new(Lab), &Calls::none_of(&INFO)));
        let exp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64 + 60;
        let token = |with: &str| {
            let granted = ucan::Capability { with: with.to_owned(), can: "call".to_owned() };
            let options = ucan::Options { exp, ..Default::default() };
            Some(Token::new(ucan::create(&issuer, &[5; 32], &[granted], &options).unwrap()))
        };
        let stand = |realm| {
            let standing = Standing { org: "acme".to_owned(), realm, profile: CryptoProfile::PqPure };
            dispatch.stand(standing);
        };
        stand(None);
        let good = token("mri:proc:lab.local/acme/lab.few_v1");
        assert_eq!(call(&dispatch, 0, local(good.clone())).await.unwrap_err().code(), "unavailable");
        stand(Some(realm()));
        assert!(call(&dispatch, 0, local(good.clone())).await.is_ok());
        assert!(call(&dispatch, 0, process(good)).await.is_ok());
        let other = token("mri:proc:lab.local/acme/lab.few_v2");
        assert_eq!(call(&dispatch, 0, local(other)).await.unwrap_err().code(), "unauthorized");
        assert_eq!(calls(&dispatch, 0, Outcome::Ok), 2);
    }

    #[tokio::test]
    async fn a_node_is_told_when_it_may_call_again_and_this_box_is_not_counted() {
        let dispatch = lab();
        let most = LIMITS.per_caller.calls;
        for _ in 0..most {
            call(&dispatch, 0, from(1, 0)).await.unwrap();
        }
        let refused = loop {
            // Some room came back while the calls were made.
            if let Err(refused) = call(&dispatch, 0, from(1, 0)).await {
                break refused;
            }
        };
        assert_eq!((refused.code(), refused.is_retryable()), ("rate_limited", true));
        assert_eq!(refused.kind().http_status(), 429);
        let after = refused.retry_after().unwrap();
        assert!(after > Duration::ZERO && after <= Duration::from_millis(17), "{after:?}");
        assert_eq!(refused.message(), "`lab.open` takes 600 calls in 10s from one caller");
        assert_eq!(refused.details().unwrap(), &serde_json::json!({"calls": 600, "period_ms": 10_000}));
        assert_eq!(calls(&dispatch, 0, Outcome::RateLimited), 1);
        // Another node, the same node elsewhere, and everybody here.
        call(&dispatch, 0, from(2, 0)).await.unwrap();
        call(&dispatch, 1, from(1, 1)).await.unwrap();
        for _ in 0..2 * most {
            call(&dispatch, 0, local(None)).await.unwrap();
            call(&dispatch, 0, process(None)).await.unwrap();
        }
        assert_eq!(calls(&dispatch, 0, Outcome::RateLimited), 1);
        assert_eq!(dispatch.in_flight(), 0);
    }

    #[test]
    fn the_log_names_a_node_that_calls_too_often() {
        let name = concat!(module_path!(), "::the_log_names_a_node_that_calls_too_often");
        let told = seen::of(name, || {
            let dispatch = lab();
            let asked = async {
                for _ in 0..2 * LIMITS.per_caller.calls {
                    let _ = call(&dispatch, 0, from(1, 0)).await;
                }
            };
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(asked);
        });
        let told: Vec<_> = told.iter().filter(|line| line.contains("too many come")).collect();
        assert_eq!(told.len(), 1, "of hundreds of refusals: {told:?}");
        let node = from(1, 0).caller().to_string();
        for part in ["WARN", "capability=\"lab.open\"", &node, "refused=1", "600 calls in 10s", "one caller"] {
            assert!(told[0].contains(part), "{part}: {}", told[0]);
        }
    }

    #[tokio::test]
    async fn stages_come_in_their_order() {
        let dispatch = lab();
        // Too large, by the wrong policy, of one that called too often: each stage hides those after it.
        let answer = |warrant, body: &'static [u8]| {
            let origin = Origin { warrant, hops: 0, time_left: None };
            let refused = dispatch.admit(0, origin, None).unwrap().answer(Input::Json(Bytes::from_static(body))).err();
            refused.map(|error| error.code().to_owned())
        };
        static LARGE: [u8; MAX_REQUEST + 1] = [b' '; MAX_REQUEST + 1];
        // Some room comes back while it is asked for.
        let is_limited = || (0..10_000).any(|_| answer(from(1, 0), b"{").as_deref() == Some("rate_limited"));
        assert!(is_limited());
        assert_eq!(answer(from(1, 1), &LARGE).as_deref(), Some("payload_too_large"));
        assert_eq!(answer(from(1, 1), b"{").as_deref(), Some("unauthorized"));
        // Nobody is left a place, and a call that is over its rate is not told of that.
        let mut running = Vec::new();
        for _ in 0..Limits::DEFAULT.concurrency {
            let call = dispatch.admit(0, Origin { warrant: local(None), hops: 0, time_left: None }, None).unwrap();
            running.push(call.answer(Input::Json(Bytes::from_static(b"{"))).ok().unwrap());
        }
        assert_eq!(answer(from(2, 0), b"{").as_deref(), Some("overloaded"));
        assert!(is_limited());
    }
}
