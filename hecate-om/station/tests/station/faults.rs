//! Each knob does what it says, and stops when it is taken back.

use std::time::Duration;

use macula_rust::frame::RegisterKind;
use macula_rust::node_key::NodeKey;
use macula_rust::pool::{Call, Pool, PoolError};
use macula_rust::profile::Profile;
use macula_rust::record::{self, ProcedureAdvertisementOptions};
use macula_rust::station_link::LinkError;

use crate::kit::{call, claim, echo, link, node, opts, seed, soon, station, told, until};
use hecate_om_station::{RefusedRegistrations, RegistrationAnswer, Registrations, Station};

/// A call that is on its way.
fn calling(node: &Pool, call: Call) -> tokio::task::JoinHandle<Result<macula_rust::cbor::Value, PoolError>> {
    let node = node.clone();
    tokio::spawn(async move { node.call(call).await })
}

async fn ringing(station: &Station) -> (Pool, Pool, String) {
    let (provider, caller) = (node(station).await, node(station).await);
    let ring = record::own_procedure(&provider.node_id(), "ring");
    provider.serve(echo(station, &ring)).await.unwrap();
    caller.call(call(station, &ring)).await.unwrap();
    (provider, caller, ring)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_station_answers_nothing_and_goes_on_when_thawed() {
    let station = station().await;
    let (_provider, caller, ring) = ringing(&station).await;
    station.faults().freeze();
    let impatient = Call { timeout: Duration::from_millis(200), ..call(&station, &ring) };
    let refused = caller.call(impatient).await;
    assert!(matches!(refused, Err(PoolError::Link(LinkError::CallTimeout))), "{refused:?}");
    // The link is up all the while, and nobody new comes in.
    assert!(caller.status()[0].up);
    let waiting = calling(&caller, Call { provider: _provider.node_id(), ..call(&station, &ring) });
    let mut hurried = opts(&station, crate::kit::key());
    hurried.connect_timeout = Duration::from_millis(200);
    assert!(Pool::connect(vec![seed(&station)], hurried).await.is_err());
    assert!(!waiting.is_finished());
    station.faults().thaw();
    soon(waiting).await.unwrap().unwrap();
    node(&station).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_are_late_until_they_are_released() {
    let station = station().await;
    let (_provider, caller, ring) = ringing(&station).await;
    let before = station.counts().relayed_calls;
    station.faults().hold_replies();
    let late: Vec<_> = (0..3).map(|_| calling(&caller, call(&station, &ring))).collect();
    until("the calls were answered", || {
        let counts = station.counts();
        (counts.relayed_calls, counts.pending_calls) == (before + 3, 0)
    })
    .await;
    assert_eq!(station.counts().relayed_replies, 1);
    // What the station answers itself is not late.
    claim(&station, &caller, "acme").await.unwrap();
    assert!(late.iter().all(|call| !call.is_finished()));
    station.faults().release_replies();
    for call in late {
        soon(call).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_are_refused_as_often_and_with_what_was_said() {
    let station = station().await;
    let node = node(&station).await;
    claim(&station, &node, "acme").await.unwrap();
    claim(&station, &node, "other").await.unwrap();
    let refuse = |of, reason, times| {
        let answer = RegistrationAnswer::Reason(reason);
        station.faults().refuse_registrations(RefusedRegistrations { of, answer, times });
    };
    let refused = |answer: Result<_, PoolError>| match answer {
        Err(PoolError::NotServed(errors)) => errors,
        Err(other) => panic!("{other:?}"),
        Ok::<macula_rust::pool::Served, _>(_) => panic!("it was accepted"),
    };
    let said = |reason: &str| [LinkError::RegisterRefused { kind: RegisterKind::Advertise, reason: reason.to_owned() }];
    refuse(Registrations::Org("acme".to_owned()), "not_authorized", None);
    refuse(Registrations::Named("other/a_v1".to_owned()), "too_many_providers", Some(2));
    for _ in 0..3 {
        assert_eq!(refused(node.serve(echo(&station, "acme/a_v1")).await), said("not_authorized"));
    }
    for _ in 0..2 {
        assert_eq!(refused(node.serve(echo(&station, "other/a_v1")).await), said("too_many_providers"));
    }
    node.serve(echo(&station, "other/a_v1")).await.unwrap();
    node.serve(echo(&station, "other/b_v1")).await.unwrap();
    station.faults().accept_registrations();
    node.serve(echo(&station, "acme/a_v1")).await.unwrap();

    refuse(Registrations::All, "refused", None);
    let refused = node.subscribe(&station.realm_id(), "news").await;
    assert!(refused.is_err());
    station.faults().accept_registrations();
    node.subscribe(&station.realm_id(), "news").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_is_not_answered_where_that_is_wanted() {
    let station = station().await;
    let node = node(&station).await;
    let of = Registrations::Named("news".to_owned());
    let answer = RegistrationAnswer::Silence;
    station.faults().refuse_registrations(RefusedRegistrations { of, answer, times: Some(1) });
    let waiting = {
        let (node, realm) = (node.clone(), station.realm_id());
        tokio::spawn(async move { node.subscribe(&realm, "news").await.map(drop) })
    };
    until("it was not answered", || station.counts().refused.contains_key("registration_refused")).await;
    // What comes after it is, so that its answer is not only late.
    let _other = node.subscribe(&station.realm_id(), "weather").await.unwrap();
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_record_reaches_clients_and_convinces_none() {
    let station = station().await;
    let (provider, caller, ring) = ringing(&station).await;
    let realm = station.realm_id();
    let slot = record::procedure_key(&realm, &ring);
    let thief = NodeKey::generate_identity(Profile::PqPure, 0).unwrap();
    let thief_id = thief.node_id().unwrap();
    let stations = [station.node_id()];
    let options = ProcedureAdvertisementOptions::default();
    // An advertisement of another's own procedure; one of a signature that is none; bytes that are nothing.
    let foreign = record::new_procedure_advertisement(&thief_id, &realm, &ring, &stations, &options).unwrap();
    let foreign = record::encode(&record::sign(&foreign, &thief).unwrap()).unwrap();
    let mut broken = foreign.clone();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    for wire in [foreign, broken, b"nothing".to_vec()] {
        station.faults().forge_record(slot, wire);
    }
    let (found, dropped) = caller.find_records(&slot).await.unwrap();
    assert_eq!((found.len(), dropped), (2, 2));
    let fresh = link(&station, crate::kit::key()).await;
    let answer = fresh.call(call(&station, &ring)).await.unwrap();
    assert!(answer.get("said").is_some());
    let providers = fresh.providers(&realm, &ring).await.unwrap();
    assert_eq!(providers.iter().map(|found| found.node).collect::<Vec<_>>(), [provider.node_id()]);
    station.faults().forget_forged_records();
    assert_eq!(caller.find_records(&slot).await.unwrap().1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_is_admitted_when_it_is_let() {
    let station = station().await;
    let node = node(&station).await;
    station.faults().hold_admission("acme");
    assert_eq!(told(claim(&station, &node, "acme").await).1, "not_admitted");
    assert_eq!(station.counts().refused["not_admitted"], 1);
    assert!(matches!(node.serve(echo(&station, "acme/a_v1")).await, Err(PoolError::NotServed(_))));
    claim(&station, &node, "other").await.unwrap();
    station.faults().allow_admission("acme");
    claim(&station, &node, "acme").await.unwrap();
    node.serve(echo(&station, "acme/a_v1")).await.unwrap();
    // What was admitted can be taken back: who advertises anew does not find the org.
    station.faults().hold_admission("acme");
    assert!(matches!(node.serve(echo(&station, "acme/b_v1")).await, Err(PoolError::NotServed(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_dropped_comes_back() {
    let station = station().await;
    let (provider, caller, ring) = ringing(&station).await;
    let held = provider.link_to(&station.node_id()).await.unwrap();
    assert!(station.faults().drop_node(provider.node_id()));
    let ended = soon(held.done()).await;
    assert!(matches!(ended, LinkError::ClosedByStation(_)), "{ended:?}");
    until("it is back", || station.counts().records == 1).await;
    caller.call(call(&station, &ring)).await.unwrap();
    assert!(!station.faults().drop_node([0; 32]));
}
