//! What a station owes to each frame, held against a client that writes its frames itself.

use macula_rust::cbor::Value;
use macula_rust::frame::{self, Payload, PublicationSpec, RegisterKind, RequestSpec};
use macula_rust::record::{self, ProcedureAdvertisementOptions};

use crate::kit::{key, node, soon, station, text, until};
use crate::raw::{Raw, now_ms};
use hecate_om_station::Station;

fn refused(station: &Station, what: &str) -> u64 {
    station.counts().refused.get(what).copied().unwrap_or(0)
}

/// A pong tells a client that what it sent before was read.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sends_is_answered_in_order() {
    let station = station().await;
    let key = key();
    let (id, realm) = (key.node_id().unwrap(), station.realm_id());
    let mut raw = Raw::link(&station, &key).await;
    raw.send(&frame::subscribe_frame(b"news", &realm, &id).unwrap()).await;
    raw.send(&frame::liveness_ping_frame(&[1; 16])).await;
    let spec = PublicationSpec {
        realm,
        topic: "news".to_owned(),
        seq: 1,
        published_at: now_ms(),
        payload: Payload::Clear(text("hello")),
        ttl_ms: None,
    };
    raw.send(&frame::sign_publish(&spec, &key).unwrap()).await;
    raw.send(&frame::liveness_ping_frame(&[2; 16])).await;
    raw.send(&frame::unsubscribe_frame(b"news", &realm, &id).unwrap()).await;
    assert_eq!(raw.ack().await, (RegisterKind::Subscribe, None));
    assert_eq!(raw.pong().await, Some([1; 16]));
    assert_eq!(raw.received().await.get("frame_type"), Some(&text("event")));
    assert_eq!(raw.pong().await, Some([2; 16]));
    assert_eq!(raw.ack().await, (RegisterKind::Unsubscribe, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_registers_for_another() {
    let station = station().await;
    let (key, other) = (key(), key());
    let (id, other_id, realm) = (key.node_id().unwrap(), other.node_id().unwrap(), station.realm_id());
    let mut raw = Raw::link(&station, &key).await;
    raw.send(&frame::subscribe_frame(b"news", &realm, &other_id).unwrap()).await;
    assert_eq!(raw.ack().await, (RegisterKind::Subscribe, Some("not_authorized".to_owned())));

    let advertisement = |signer: &macula_rust::node_key::NodeKey, procedure: &str| {
        let (node, stations) = (signer.node_id().unwrap(), [station.node_id()]);
        let options = ProcedureAdvertisementOptions::default();
        let unsigned = record::new_procedure_advertisement(&node, &realm, procedure, &stations, &options).unwrap();
        record::sign(&unsigned, signer).map(|signed| (record::encode(&signed).unwrap(), signed))
    };
    let refusal = |reason: &str| (RegisterKind::Advertise, Some(reason.to_owned()));
    // Another's advertisement, in good order; one's own that nobody signed; one under an org without its word.
    let (others, signed) = advertisement(&other, &record::own_procedure(&other_id, "x")).unwrap();
    raw.send(&frame::advertise_frame(&others)).await;
    assert_eq!(raw.ack().await, refusal("not_authorized"));
    let (mut broken, _) = advertisement(&key, &record::own_procedure(&id, "x")).unwrap();
    let at = broken.windows(9).position(|bytes| bytes == b"signature").unwrap();
    broken[at + 100] ^= 1;
    raw.send(&frame::advertise_frame(&broken)).await;
    assert_eq!(raw.ack().await, refusal("record_refused"));
    let (under_org, _) = advertisement(&key, "acme/x_v1").unwrap();
    raw.send(&frame::advertise_frame(&under_org)).await;
    assert_eq!(raw.ack().await, refusal("not_authorized"));
    // Nor withdraws for another.
    let tombstone = record::new_tombstone(&signed, record::Reason::Shutdown, &Default::default()).unwrap();
    let tombstone = record::encode(&record::sign(&tombstone, &other).unwrap()).unwrap();
    raw.send(&frame::unadvertise_frame(&tombstone)).await;
    assert_eq!(raw.ack().await, (RegisterKind::Unadvertise, Some("not_authorized".to_owned())));
    let counts = station.counts();
    assert_eq!((counts.procedures, counts.subscriptions), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_signed_goes_nowhere() {
    let station = station().await;
    let (key, other) = (key(), key());
    let subscriber = node(&station).await;
    let _subscription = subscriber.subscribe(&station.realm_id(), "news").await.unwrap();
    let mut raw = Raw::link(&station, &key).await;
    let spec = PublicationSpec {
        realm: station.realm_id(),
        topic: "news".to_owned(),
        seq: 1,
        published_at: now_ms(),
        payload: Payload::Clear(Value::Null),
        ttl_ms: None,
    };
    raw.send(&frame::sign_publish(&spec, &other).unwrap()).await;
    let request = RequestSpec {
        request_id: [1; 16],
        realm: [0; 32],
        procedure: "_dht.find_record".to_owned(),
        target: station.node_id(),
        deadline: now_ms() + 10_000,
        payload: Value::Map(Vec::new()),
        sealed: None,
        mode: None,
        token: None,
        proofs: Vec::new(),
        source_route: None,
        retry_budget: None,
    };
    raw.send(&frame::sign_call(&request, &other).unwrap()).await;
    until("both were looked at", || refused(&station, "not_its_own") == 2).await;
    let broken = frame::sign_call(&request, &key).unwrap();
    let Some(Value::Bytes(mut signature)) = broken.get("request").and_then(|it| it.get("signature")).cloned() else {
        panic!("no signature");
    };
    signature[0] ^= 1;
    let object = broken.get("request").unwrap().clone().with_field("signature", Value::Bytes(signature));
    raw.send(&broken.with_field("request", object)).await;
    until("it was looked at", || refused(&station, "invalid_signature") == 1).await;
    // The link is up all the while, and what is in order is answered.
    raw.send(&frame::sign_call(&request, &key).unwrap()).await;
    let answer = raw.received().await;
    assert_eq!(answer.get("frame_type"), Some(&text("error")));
    let counts = station.counts();
    assert_eq!((counts.published, counts.delivered, counts.answered), (0, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_frame_is_read_past_and_a_broken_one_ends_the_link() {
    let station = station().await;
    let mut raw = Raw::link(&station, &key()).await;
    let unknown = frame::goodbye_frame("x", None).unwrap().with_field("frame_type", text("of_the_future"));
    raw.send(&unknown).await;
    raw.send(&frame::liveness_ping_frame(&[1; 16])).await;
    assert_eq!(raw.pong().await, Some([1; 16]));
    assert_eq!(refused(&station, "unknown_frame"), 1);
    for broken in [&b"nothing"[..], &[0xa0]] {
        let mut raw = Raw::link(&station, &key()).await;
        raw.write(broken).await;
        let ended = soon(raw.dialed.connection.closed()).await;
        assert!(ended.to_string().contains("malformed_frame"), "{ended}");
    }
    assert_eq!(refused(&station, "malformed_frame"), 2);
}
