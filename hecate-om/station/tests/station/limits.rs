//! What is beyond a limit is refused by name, counted, and harms nobody else.

use macula_rust::frame::RegisterKind;
use macula_rust::pool::PoolError;
use macula_rust::record;
use macula_rust::station_link::LinkError;

use crate::kit::{call, claim, echo, link, node, options, soon, told, until};
use hecate_om_station::{Limits, Options, Station};

async fn limited(limits: Limits) -> Station {
    Station::start(Options { limits, ..options() }).await.unwrap()
}

/// What the station's acknowledgement refused.
fn refused<T>(answer: Result<T, PoolError>) -> (RegisterKind, String) {
    let Err(PoolError::NotServed(errors) | PoolError::NoLink(errors)) = answer else { panic!("it was accepted") };
    match &errors[..] {
        [LinkError::RegisterRefused { kind, reason }] => (*kind, reason.clone()),
        other => panic!("not the station's word: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_advertises_so_many_procedures() {
    let station = limited(Limits { procedures: 2, ..Limits::default() }).await;
    let (one, other) = (node(&station).await, node(&station).await);
    let own = |name: &str| record::own_procedure(&one.node_id(), name);
    one.serve(echo(&station, &own("a"))).await.unwrap();
    let second = one.serve(echo(&station, &own("b"))).await.unwrap();
    let quota = (RegisterKind::Advertise, "advertiser_quota".to_owned());
    assert_eq!(refused(one.serve(echo(&station, &own("c"))).await), quota);
    assert_eq!(station.counts().refused["too_many_procedures"], 1);
    // Neither another node nor the place that is free again is affected.
    let others = record::own_procedure(&other.node_id(), "a");
    other.serve(echo(&station, &others)).await.unwrap();
    second.stop().await.unwrap();
    one.serve(echo(&station, &own("c"))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_and_all_nodes_are_subscribed_to_so_many_topics() {
    let station = limited(Limits { topics: 2, subscriptions: 3, ..Limits::default() }).await;
    let (one, other) = (node(&station).await, node(&station).await);
    let realm = station.realm_id();
    let refusal = (RegisterKind::Subscribe, "refused".to_owned());
    let mut kept = Vec::new();
    for topic in ["a", "b"] {
        kept.push(one.subscribe(&realm, topic).await.unwrap());
    }
    assert_eq!(refused(one.subscribe(&realm, "c").await), refusal);
    kept.push(other.subscribe(&realm, "a").await.unwrap());
    assert_eq!(refused(other.subscribe(&realm, "b").await), refusal);
    assert_eq!(station.counts().refused["too_many_subscriptions"], 2);
    assert_eq!(station.counts().subscriptions, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_wait_and_records_and_orgs_are_bounded() {
    let limits = Limits { pending_calls: 1, records_of_one: 1, orgs: 1, ..Limits::default() };
    let station = limited(limits).await;
    let (provider, caller) = (node(&station).await, node(&station).await);
    let ring = record::own_procedure(&provider.node_id(), "ring");
    provider.serve(echo(&station, &ring)).await.unwrap();

    let second = provider.serve(echo(&station, &record::own_procedure(&provider.node_id(), "b"))).await;
    let Err(PoolError::NotServed(errors)) = second else { panic!("it was taken") };
    assert_eq!(errors, [LinkError::RecordRefused("too_many_records".to_owned())]);

    claim(&station, &caller, "acme").await.unwrap();
    let refused = told(claim(&station, &caller, "other").await).1;
    assert!(refused.starts_with("too_many_orgs"), "{refused}");

    station.faults().hold_replies();
    let waiting = tokio::spawn({
        let (caller, call) = (caller.clone(), call(&station, &ring));
        async move { caller.call(call).await }
    });
    until("the call is held", || station.counts().relayed_calls == 1).await;
    // A reply that is held back waits for nobody any more; a provider that has not replied yet does.
    until("the reply came", || station.counts().pending_calls == 0).await;
    station.faults().release_replies();
    soon(waiting).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_beyond_the_calls_that_wait_is_told_at_once() {
    let station = limited(Limits { pending_calls: 1, ..Limits::default() }).await;
    let (provider, caller) = (node(&station).await, node(&station).await);
    let wait = record::own_procedure(&provider.node_id(), "wait");
    let answers = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let handler = macula_rust::station_link::handler({
        let answers = answers.clone();
        move |_| {
            let answers = answers.clone();
            async move {
                answers.acquire().await.unwrap().forget();
                Ok(macula_rust::cbor::Value::Null)
            }
        }
    });
    let offer = macula_rust::pool::Offer::unary(station.realm_id(), &wait, handler);
    provider.serve(offer).await.unwrap();
    let first = tokio::spawn({
        let (caller, call) = (caller.clone(), call(&station, &wait));
        async move { caller.call(call).await }
    });
    until("one call waits", || station.counts().pending_calls == 1).await;
    let second = link(&station, crate::kit::key()).await.call(call(&station, &wait)).await;
    let told = matches!(&second, Err(PoolError::Link(LinkError::Relay { code, .. })) if code == "overloaded");
    assert!(told, "{second:?}");
    assert_eq!(station.counts().refused["too_many_pending_calls"], 1);
    answers.add_permits(1);
    soon(first).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_beyond_the_limit_are_reset() {
    let station = limited(Limits { streams: 0, ..Limits::default() }).await;
    let (provider, caller) = (node(&station).await, node(&station).await);
    let talk = record::own_procedure(&provider.node_id(), "talk");
    let mode = macula_rust::frame::StreamMode::Bidi;
    let answer = macula_rust::station_link::stream_handler(|_| async { Ok(()) });
    let offer = macula_rust::pool::Offer::stream(station.realm_id(), &talk, mode, answer);
    provider.serve(offer).await.unwrap();
    let opened = macula_rust::pool::StreamCall {
        realm: station.realm_id(),
        procedure: talk,
        mode,
        ..macula_rust::pool::StreamCall::default()
    };
    if let Ok(stream) = caller.open_stream(opened).await {
        assert!(soon(stream.done()).await.is_some());
    }
    until("it was refused", || station.counts().refused.contains_key("too_many_streams")).await;
    assert_eq!(station.counts().relayed_streams, 0);
}
