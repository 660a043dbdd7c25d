//! What the head of a call does, over a real socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::UnixListener;

use super::*;
use crate::capability::{Bound, Call, Handlers};
use crate::client::Calls;
use crate::config::SettingsType;
use crate::config::mesh::{CryptoProfile, Realm};
use crate::dispatch::tally::Outcome;
use crate::guard::access::Standing;
use crate::node_id::NodeId;
use crate::service::IdentitySpec;

mod streams;

struct Lab;

#[derive(Deserialize, Serialize, JsonSchema)]
struct Told {
    hops: u8,
    left_ms: u64,
}

static CAPABILITIES: [CapabilityInfo; 2] = [
    CapabilityInfo::new("lab.tell", 1, "Tells what came.", 30_000),
    CapabilityInfo::new("lab.few", 1, "For few.", 30_000).access(Access::Issuer(NodeId::from_bytes([3; 32]))),
];
static INFO: ServiceInfo = {
    let identity = IdentitySpec::new("lab", &[], &[], 30);
    ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", &CAPABILITIES, identity, 8470, "{}")
};

/// A service that answers on a socket of its own.
struct Served {
    dispatch: Arc<Dispatch>,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Served {
    fn new() -> Self {
        let mut handlers = Handlers::<Lab>::new();
        for _ in &CAPABILITIES {
            handlers.unary(async |_lab, call: Call<Lab>, _request: serde_json::Map<String, Value>| {
                let left_ms = call.time_left().as_millis() as u64;
                Ok::<_, CapabilityError>(Told { hops: call.hops(), left_ms })
            });
        }
        Self::of(&INFO, handlers.bind(&Arc::new(Lab), &Calls::none_of(&INFO)))
    }

    fn of(info: &'static ServiceInfo, handlers: Vec<Bound>) -> Self {
        let dispatch = Dispatch::new(info);
        dispatch.open(handlers);
        let blueprint = Blueprint {
            info,
            settings: SettingsType::of::<()>(),
            contracts: Vec::new,
            start: |_| Box::pin(std::future::pending()),
        };
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("api.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(LocalApi::new(blueprint, Arc::clone(&dispatch)).serve(listener));
        Self { dispatch, socket, _folder: folder }
    }

    fn stand(&self, realm: Option<u8>) {
        let realm = realm.map(|id| Realm { id: [id; 32], name: None, key: Vec::new() });
        self.dispatch.stand(Standing { org: "acme".to_owned(), realm, profile: CryptoProfile::PqPure });
    }

    /// Status and body of a call with these header lines.
    async fn call(&self, capability: &str, lines: &str) -> (u16, Value) {
        let head = format!("POST /capabilities/{capability}/v1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        let request = format!("{head}{lines}content-length: 2\r\n\r\n{{}}");
        let socket = self.socket.clone();
        let exchange = move || {
            let mut stream = UnixStream::connect(socket).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let answer = tokio::task::spawn_blocking(exchange).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    fn calls(&self, slot: usize, outcome: Outcome) -> u64 {
        self.dispatch.tallies().nth(slot).unwrap().1.calls(outcome)
    }
}

#[tokio::test]
async fn hops_and_time_left_reach_the_handler() {
    let lab = Served::new();
    let (status, told) = lab.call("lab.tell", "").await;
    assert_eq!((status, &told["hops"]), (200, &json!(0)));
    assert!(told["left_ms"].as_u64().unwrap() > 5000, "{told}");
    let (status, told) = lab.call("lab.tell", "hecate-hops: 16\r\nHecate-Time-Left-Ms: 5000\r\n").await;
    assert_eq!((status, &told["hops"]), (200, &json!(16)));
    assert!(told["left_ms"].as_u64().unwrap() <= 5000, "{told}");

    let (status, problem) = lab.call("lab.tell", "hecate-hops: 17\r\n").await;
    assert_eq!((status, &problem["code"], &problem["retryable"]), (508, &json!("too_many_hops"), &json!(false)));
    assert_eq!((lab.calls(0, Outcome::Ok), lab.calls(0, Outcome::Invalid)), (2, 1));
}

#[tokio::test]
async fn a_malformed_header_is_named_and_nothing_runs() {
    let lab = Served::new();
    for (name, value) in
        [("hecate-hops", "many"), ("hecate-time-left-ms", "-1"), ("hecate-org", ""), ("hecate-realm", "hecate.local")]
    {
        let (status, problem) = lab.call("lab.tell", &format!("{name}: {value}\r\n")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")), "{name}");
        assert!(problem["detail"].as_str().unwrap().contains(name), "{problem}");
    }
    assert_eq!((lab.calls(0, Outcome::Ok), lab.calls(0, Outcome::Invalid)), (0, 4));
}

#[tokio::test]
async fn a_call_that_means_another_service_is_misdirected_and_nothing_runs() {
    let lab = Served::new();
    let realm = |id: &str| format!("hecate-realm: {}\r\n", id.repeat(32));
    // Nobody knows yet where this service stands.
    assert_eq!(lab.call("lab.tell", "hecate-org: acme\r\n").await.0, 421);
    lab.stand(None);
    assert_eq!(lab.call("lab.tell", "hecate-org: acme\r\n").await.0, 200);
    assert_eq!(lab.call("lab.tell", &realm("01")).await.0, 421);
    lab.stand(Some(1));
    assert_eq!(lab.call("lab.tell", &realm("01")).await.0, 200);
    assert_eq!(lab.call("lab.tell", &format!("hecate-org: acme\r\n{}", realm("01"))).await.0, 200);
    for lines in ["hecate-org: other\r\n".to_owned(), realm("02"), format!("hecate-org: acme\r\n{}", realm("02"))] {
        let (status, problem) = lab.call("lab.tell", &lines).await;
        assert_eq!((status, &problem["code"]), (421, &json!("unknown_capability")), "{lines}");
    }
    assert_eq!((lab.calls(0, Outcome::Ok), lab.dispatch.unknown()), (3, 5));
    assert_eq!(lab.call("lab.tell", "").await.0, 200);
}

#[tokio::test]
async fn what_is_the_issuers_needs_a_token_which_is_not_repeated() {
    let lab = Served::new();
    lab.stand(Some(1));
    for lines in ["", "authorization: Basic c2VjcmV0\r\n"] {
        let (status, problem) = lab.call("lab.few", lines).await;
        assert_eq!((status, &problem["code"]), (403, &json!("unauthorized")), "{lines}");
        assert!(problem["detail"].as_str().unwrap().contains("Authorization: Bearer"), "{problem}");
    }
    let (status, problem) = lab.call("lab.few", "authorization: Bearer c2Vj.cmV0.c2Vj\r\n").await;
    assert_eq!((status, &problem["code"]), (403, &json!("unauthorized")));
    assert!(!problem.to_string().contains("cmV0"), "{problem}");
    assert_eq!(lab.calls(1, Outcome::Unauthorized), 3);
    // A token that nobody asked for is not looked at.
    assert_eq!(lab.call("lab.tell", "authorization: Bearer c2Vj.cmV0.c2Vj\r\n").await.0, 200);
}
