//! Callers that are no services: the SDK alone, which knows nothing of hecate and shows no token.

use std::sync::Arc;
use std::time::Duration;

use hecate_om_tests::{Process, eventually};
use macula_rust::cbor::Value as Wire;
use macula_rust::frame::StreamMode;
use macula_rust::node_key::{NodeKey, PUZZLE_DIFFICULTY};
use macula_rust::profile::Profile;
use macula_rust::statement_issuer::StatementIssuer;
use macula_rust::station_link::{Call, Config, Link, LinkError, Seal, StreamCall};
use macula_rust::transport::Target;
use serde_json::{Value, json};

use super::{Mesh, ask, on_mesh, stranger, streams};

const LONG: Duration = Duration::from_secs(20);

/// A node that calls a service in the clear, whatever key that names.
struct Bare {
    link: Link,
    realm: [u8; 32],
    provider: [u8; 32],
}

fn id(hex: &Value) -> [u8; 32] {
    let digits = hex.as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect::<Vec<_>>().try_into().unwrap()
}

impl Bare {
    async fn of(mesh: &Mesh, provider: &Process) -> Self {
        let station = std::fs::read_to_string(mesh.runtime().join("station/station.json")).unwrap();
        let station: Value = serde_json::from_str(&station).unwrap();
        let profile = Profile::PqPure;
        assert_eq!(station["profile"], profile.name());
        let identity = Arc::new(NodeKey::generate_identity(profile, PUZZLE_DIFFICULTY).unwrap());
        let target = Target {
            host: station["host"].as_str().unwrap().to_owned(),
            port: u16::try_from(station["port"].as_u64().unwrap()).unwrap(),
            profile,
            expected_node_id: id(&station["node_id"]),
        };
        let issuer = StatementIssuer::with_wall_clock(Arc::clone(&identity)).unwrap();
        let link = Link::dial(Config::new(target, identity, issuer)).await.unwrap();
        Self { link, realm: id(&station["realm"]), provider: id(&super::told(provider)["node"]) }
    }

    /// What the ring answers, or the code that it refuses with.
    async fn call(&self, name: &str, payload: Wire) -> Result<Wire, String> {
        let call = Call {
            realm: self.realm,
            procedure: format!("hecate-ring/{name}_v1"),
            target: self.provider,
            payload,
            timeout: LONG,
            seal: Some(Seal::Clear),
            ..Call::default()
        };
        self.link.call(call).await.map_err(|error| match error {
            LinkError::Provider { code, .. } | LinkError::Relay { code, .. } => code,
            other => panic!("{name}: {other}"),
        })
    }

    /// The first event of a stream of the ring, or the code that it ends with before.
    async fn first(&self, name: &str, payload: Wire) -> Result<String, String> {
        let call = StreamCall {
            realm: self.realm,
            procedure: format!("hecate-ring/{name}_v1"),
            target: self.provider,
            mode: StreamMode::ServerStream,
            payload,
            seal: Some(Seal::Clear),
            ..StreamCall::default()
        };
        let stream = self.link.open_stream(call).await.unwrap();
        let first = tokio::time::timeout(LONG, stream.recv()).await.unwrap();
        first.map(|event| format!("{event:?}")).map_err(|error| match error {
            LinkError::Stream { code, relay: false, .. } => code,
            other => panic!("{name}: {other}"),
        })
    }
}

fn map<const N: usize>(fields: [(&str, Wire); N]) -> Wire {
    Wire::Map(fields.into_iter().map(|(name, value)| (Wire::text(name), value)).collect())
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(test)
}

#[test]
fn p14_what_is_to_be_sealed_is_refused_in_the_clear_by_name_and_answered_sealed() {
    let mesh = Mesh::new();
    let ring = mesh.ring("one");
    let (word, tale) = (map([("gate", Wire::text(""))]), map([("lines", Wire::Int(2))]));
    block_on(async {
        let bare = Bare::of(&mesh, &ring).await;
        // It reaches the ring, and gets what may be read by everybody.
        bare.call("ring.who", word.clone()).await.unwrap();
        bare.first("ring.tell", tale.clone()).await.unwrap();
        assert_eq!(bare.call("ring.whisper", word).await, Err("sealed_required".to_owned()));
        assert_eq!(bare.first("ring.tell_sealed", tale).await, Err("sealed_required".to_owned()));
    });
    assert_eq!(ring.launch.journal(), "", "no handler ran");

    let told = ask(&mesh.asker, r#"{"what":"whisper"}"#);
    assert_eq!(told["seen"]["via"], "mesh", "{told}");
    let heard = streams::listen(&mesh.asker, &json!({"lines": 2, "is_sealed": true}));
    assert_eq!((&heard["lines"], &heard["is_whole"]), (&json!(2), &json!(true)), "{heard}");
    assert_eq!(ring.launch.journal(), "whisper\ntell_sealed\n");
}

#[test]
fn p15_limits_are_read_over_the_mesh_by_members_of_the_realm_and_by_nobody_else() {
    let mesh = Mesh::new();
    let ring = mesh.ring("one");
    block_on(async {
        let bare = Bare::of(&mesh, &ring).await;
        bare.call("ring.info", map([])).await.unwrap();
        assert_eq!(bare.call("ring.get_limits", map([])).await, Err("unauthorized".to_owned()));
        assert_eq!(bare.call("ring.set_limits", map([])).await, Err("unknown_next_peer".to_owned()));
    });
    let stranger = on_mesh(stranger(), mesh.runtime()).ready();
    // The token comes a moment after the link.
    let told = eventually("the limits", || {
        let answer = stranger.wire().call("stranger.limits", "");
        (answer.status == 200).then(|| answer.json())
    });
    let of =
        |name: &str| told["capabilities"].as_array().unwrap().iter().find(|limits| limits["name"] == name).cloned();
    assert_eq!(of("ring.who").unwrap_or_default()["version"], 1, "{told}");
    assert!(of("ring.tell").is_some(), "{told}");
}
