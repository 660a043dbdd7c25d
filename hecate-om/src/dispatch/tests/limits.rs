//! The limits that hold now, of those that were declared.

use serde_json::{Map, Value, json};

use super::*;

const DECLARED: Limits = Limits::new(1024, 2048, 4, (60, 10_000), (600, 10_000));
static LIMITED: [CapabilityInfo; 2] = [
    CapabilityInfo::new("lab.do", 1, "Does it.", 60_000).limits(DECLARED),
    CapabilityInfo::new("lab.do", 2, "Does it.", 60_000).limits(DECLARED),
];
static LAB: ServiceInfo = {
    let identity = IdentitySpec::new("lab", &[], &[], 30);
    ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", &LIMITED, identity, 8470, "{}")
};

fn limited() -> Arc<Dispatch> {
    let mut handlers = Handlers::<Lab>::new();
    for _ in &LIMITED {
        handlers.unary(|_lab, call, request: Text| act(request.text, call));
    }
    let dispatch = Dispatch::new(&LAB);
    dispatch.open(handlers.bind(&Arc::new(Lab), &Calls::none_of(&LAB)));
    dispatch
}

fn change(dispatch: &Dispatch, limits: Value) -> Result<Value, CapabilityError> {
    let mut request = Map::from_iter([("name".to_owned(), json!("lab.do")), ("version".to_owned(), json!(1))]);
    let Value::Object(limits) = limits else { panic!("{limits}") };
    request.extend(limits);
    dispatch.change_limits(&request).map(|changed| changed.told)
}

fn now(dispatch: &Dispatch, slot: usize) -> Value {
    dispatch.told_limits()["capabilities"][slot].clone()
}

async fn code_of(dispatch: &Arc<Dispatch>, text: &str) -> String {
    ask(dispatch, text).await.map_or_else(|error| error.code().to_owned(), |_| "ok".to_owned())
}

/// A call that runs, and waits.
async fn running(dispatch: &Arc<Dispatch>) -> Answer {
    let mut answer =
        admitted(dispatch).unwrap().answer(Input::Json(Bytes::from_static(br#"{"text":"wait"}"#))).unwrap();
    assert!(poll_fn(|context| Poll::Ready(Pin::new(&mut answer).poll(context))).await.is_pending());
    answer
}

#[tokio::test]
async fn what_is_lowered_refuses_at_once_and_what_is_raised_again_does_not() {
    let dispatch = limited();
    let _held = [running(&dispatch).await, running(&dispatch).await, running(&dispatch).await];
    assert_eq!(code_of(&dispatch, "say").await, "ok");
    let told = change(&dispatch, json!({"concurrency": 2})).unwrap();
    assert_eq!((&told["current"]["concurrency"], &told["declared"]["concurrency"]), (&json!(2), &json!(4)));
    assert_eq!((&told["running"], &told), (&json!(3), &now(&dispatch, 0)));
    let refused = ask(&dispatch, "say").await.unwrap_err();
    assert_eq!((refused.code(), refused.is_retryable()), ("overloaded", true));
    assert!(refused.retry_after().is_some() && refused.message().starts_with("2 calls"), "{refused}");
    change(&dispatch, json!({"concurrency": 4})).unwrap();
    assert_eq!(code_of(&dispatch, "say").await, "ok");

    let long = "x".repeat(100);
    change(&dispatch, json!({"payload_bytes": 64})).unwrap();
    assert_eq!(code_of(&dispatch, &long).await, "payload_too_large");
    change(&dispatch, json!({"payload_bytes": 1024, "reply_bytes": 64})).unwrap();
    assert_eq!(code_of(&dispatch, &long).await, "internal");
    change(&dispatch, json!({"reply_bytes": 2048})).unwrap();
    assert_eq!(code_of(&dispatch, &long).await, "ok");
    let refused =
        json!({"payload_bytes": 1, "reply_bytes": 1, "concurrency": 1, "per_caller": 0, "total": 0, "access": 0});
    assert_eq!(now(&dispatch, 0)["refused"], refused);
    // The other version has limits of its own.
    assert_eq!(now(&dispatch, 1)["current"], now(&dispatch, 1)["declared"]);
    assert_eq!(now(&dispatch, 1)["refused"]["concurrency"], 0);
}

#[test]
fn nothing_goes_above_what_is_declared_nor_to_nothing() {
    let dispatch = limited();
    for (field, least, most) in [("payload_bytes", 1, 1024), ("reply_bytes", 1, 2048), ("concurrency", 1, 4)] {
        for (value, is_taken) in [(0, false), (least, true), (most, true), (most + 1, false)] {
            assert_eq!(change(&dispatch, json!({field: value})).is_ok(), is_taken, "{field} {value}");
            let held = &now(&dispatch, 0)["current"][field];
            assert!(held == least || held == most, "{field}: {held}");
        }
    }
    let rate = |calls: u32, period_ms: u64| json!({"calls": calls, "period_ms": period_ms});
    for asked in
        [json!({"per_caller": rate(61, 10_000)}), json!({"total": rate(600, 9000)}), json!({"total": rate(0, 1000)})]
    {
        assert_eq!(change(&dispatch, asked.clone()).unwrap_err().code(), "invalid_request", "{asked}");
    }
    assert_eq!(now(&dispatch, 0)["current"], now(&dispatch, 0)["declared"]);
}

#[test]
fn all_limits_change_or_none() {
    let dispatch = limited();
    let before = now(&dispatch, 0);
    let refused =
        change(&dispatch, json!({"concurrency": 2, "payload_bytes": 1025, "total": {"calls": 9}, "colour": 1}));
    let refused = refused.unwrap_err();
    let details = refused.details().unwrap()["wrong"].as_array().unwrap();
    let fields: Vec<_> = details.iter().map(|wrong| wrong["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["colour", "payload_bytes", "total.period_ms"]);
    assert_eq!((&details[1]["least"], &details[1]["most"]), (&json!(1), &json!(1024)));
    assert!(fields.iter().all(|field| refused.message().contains(field)), "{refused}");
    // What does not fit together is found last.
    let total = json!({"concurrency": 2, "total": {"calls": 10, "period_ms": 10_000}});
    assert!(change(&dispatch, total).unwrap_err().message().contains("lower both"));
    assert!(change(&dispatch, json!({})).unwrap_err().message().contains("names no limit"));
    assert_eq!(now(&dispatch, 0), before);
}

#[test]
fn what_is_not_here_is_told_with_what_is() {
    let dispatch = limited();
    let told = |request: Value| {
        let Value::Object(request) = request else { panic!("{request}") };
        let error = dispatch.change_limits(&request).err().unwrap();
        assert_eq!(error.code(), "invalid_request");
        error.message().to_owned()
    };
    assert!(told(json!({"name": "lab.od", "version": 1, "concurrency": 1})).contains("did you mean `lab.do`?"));
    assert!(told(json!({"name": "lab.do", "version": 7, "concurrency": 1})).contains("there are `1`, `2`"));
    let all = told(json!({"concurrency": -1, "colour": 1}));
    for word in ["`name`", "`version`", "`concurrency`", "`colour`"] {
        assert!(all.contains(word), "{word} is not in: {all}");
    }
    assert_eq!(dispatch.unknown(), 0, "nobody called them");
}

#[cfg(feature = "macula")]
mod over_the_mesh {
    use super::*;
    use crate::capability::Access;
    use crate::config::mesh::{CryptoProfile, Realm};
    use crate::mesh::access::{Upheld, guarded};
    use crate::node_id::NodeId;

    static OPEN: [CapabilityInfo; 1] =
        [CapabilityInfo::new("lab.do", 1, "Does it.", 60_000).access(Access::Open).limits(DECLARED)];
    static OPEN_LAB: ServiceInfo = {
        let identity = IdentitySpec::new("lab", &[], &[], 30);
        ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", &OPEN, identity, 8470, "{}")
    };

    fn lab() -> Arc<Dispatch> {
        let mut handlers = Handlers::<Lab>::new();
        handlers.unary(|_lab, call, request: Text| act(request.text, call));
        let dispatch = Dispatch::new(&OPEN_LAB);
        dispatch.open(handlers.bind(&Arc::new(Lab), &Calls::none_of(&OPEN_LAB)));
        dispatch
    }

    fn upheld() -> Upheld {
        let mut upheld = None;
        let realm = Realm { id: [1; 32], name: None, key: Vec::new() };
        guarded(&OPEN[0], &realm, CryptoProfile::PqPure, |given| {
            upheld = Some(given);
            macula_rust::station_link::Offer::unary(
                [1; 32],
                "x",
                macula_rust::station_link::handler(async |_| Err(String::new())),
            )
        });
        upheld.unwrap()
    }

    fn call(
        dispatch: &Arc<Dispatch>,
        node: u32,
        upheld: Upheld,
        body: &'static [u8],
    ) -> Result<Answer, CapabilityError> {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&node.to_le_bytes());
        let warrant = Warrant::Mesh { node: Box::new(NodeId::from_bytes(id)), upheld };
        dispatch
            .admit(0, Origin { warrant, hops: 0, time_left: None }, None)?
            .answer(Input::Json(Bytes::from_static(body)))
    }

    #[tokio::test]
    async fn a_lower_rate_holds_at_once_and_is_the_one_that_is_told() {
        let (dispatch, upheld) = (lab(), upheld());
        let say = |node| call(&dispatch, node, upheld, br#"{"text":"say"}"#);
        for _ in 0..30 {
            assert!(say(1).unwrap().await.is_ok());
        }
        let lower =
            json!({"per_caller": {"calls": 6, "period_ms": 60_000}, "total": {"calls": 7, "period_ms": 60_000}});
        change(&dispatch, lower).unwrap();
        // Half of it, or one more where that came back meanwhile.
        let more = (0..10).filter(|_| say(1).is_ok()).count();
        assert!((3..=4).contains(&more), "{more}");
        let refused = say(1).err().unwrap();
        assert_eq!(
            (refused.code(), refused.message()),
            ("rate_limited", "`lab.do` takes 6 calls in 60s from one caller")
        );
        assert_eq!(refused.details().unwrap(), &json!({"calls": 6, "period_ms": 60_000}));
        assert!(refused.is_retryable() && refused.retry_after().unwrap() <= Duration::from_secs(10), "{refused:?}");
        let others = (2..20).filter(|node| say(*node).is_ok()).count();
        assert!(others < 7, "{others}");
        let told = now(&dispatch, 0);
        assert!(
            told["refused"]["per_caller"].as_u64() >= Some(1) && told["refused"]["total"].as_u64() >= Some(1),
            "{told}"
        );
        // Numbers and names of capabilities are all that is told.
        assert!(!told.to_string().contains("node"), "{told}");
    }

    /// In a process of its own, where nothing else takes memory.
    #[test]
    fn a_hundred_thousand_refusals_of_each_kind_cost_no_memory() {
        const REFUSALS: u32 = 100_000;
        let name = concat!(module_path!(), "::a_hundred_thousand_refusals_of_each_kind_cost_no_memory");
        crate::telemetry::seen::of(name, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (dispatch, upheld) = (lab(), upheld());
                change(&dispatch, json!({"concurrency": 1, "per_caller": {"calls": 1, "period_ms": 3_600_000}, "total": {"calls": 9, "period_ms": 3_600_000}})).unwrap();
                let held = running(&dispatch).await;
                let refused = |codes: [u32; 2]| {
                    let [limited, overloaded] = codes;
                    for node in 0..limited {
                        assert!(call(&dispatch, node, upheld, b"{}").is_err());
                    }
                    for _ in 0..overloaded {
                        assert!(admitted(&dispatch).unwrap().answer(Input::Json(Bytes::from_static(b"{}"))).is_err());
                    }
                };
                refused([1000, 1000]);
                let before = resident();
                let begun = std::time::Instant::now();
                refused([REFUSALS, REFUSALS]);
                let (took, more) = (begun.elapsed() / (2 * REFUSALS), resident().saturating_sub(before));
                assert!(more < 1 << 20, "{more} bytes more");
                // Generous: an unoptimised build, on a machine that does other things.
                assert!(took < Duration::from_millis(1), "{took:?} each");
                let told = now(&dispatch, 0);
                let sum = |fields: &[&str]| fields.iter().map(|field| told["refused"][*field].as_u64().unwrap()).sum::<u64>();
                // Those that were let in by their rate found no place.
                assert_eq!(sum(&["per_caller", "total", "concurrency"]), u64::from(2 * (REFUSALS + 1000)));
                assert!(sum(&["concurrency"]) >= u64::from(REFUSALS + 1000));
                drop(held);
            });
        });
    }

    /// What this process has in memory.
    fn resident() -> usize {
        let told = std::fs::read_to_string("/proc/self/statm").unwrap();
        told.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * rustix::param::page_size()
    }
}
