//! Calls across the station, of own procedures and of those under an org.

use macula_rust::cbor::Value;
use macula_rust::pool::{Call, Offer, PoolError};
use macula_rust::record;
use macula_rust::station_link::{LinkError, handler};

use crate::kit::{HYBRID, call, claim, echo, hybrid_key, key, link, node, options, seed, soon, station, text, until};
use hecate_om_station::{Keys, Options, Station};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_calls_what_another_serves_in_its_own_namespace() {
    let station = station().await;
    let (provider, caller) = (node(&station).await, node(&station).await);
    let ring = record::own_procedure(&provider.node_id(), "ring");
    let served = provider.serve(echo(&station, &ring)).await.unwrap();
    let answer = caller.call(Call { payload: text("hello"), ..call(&station, &ring) }).await.unwrap();
    assert_eq!(answer.get("said"), Some(&text("hello")));
    assert_eq!(answer.get("by"), Some(&Value::Bytes(caller.node_id().to_vec())));
    let counts = station.counts();
    assert_eq!((counts.relayed_calls, counts.relayed_replies, counts.pending_calls), (1, 1, 0));
    assert_eq!((counts.connections, counts.procedures, counts.records), (2, 1, 1));

    served.stop().await.unwrap();
    let refused = node(&station).await.call(call(&station, &ring)).await;
    assert!(matches!(refused, Err(PoolError::NoProvider(_))), "{refused:?}");
    assert_eq!(station.counts().procedures, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_procedure_under_an_org_is_served_once_the_org_is_claimed() {
    let station = station().await;
    let (provider, caller) = (node(&station).await, node(&station).await);
    let early = provider.serve(echo(&station, "acme/echo.say_v1")).await;
    assert!(matches!(early, Err(PoolError::NotServed(_))));
    claim(&station, &provider, "acme").await.unwrap();
    let _served = provider.serve(echo(&station, "acme/echo.say_v1")).await.unwrap();
    let answer = caller.call(Call { payload: text("hello"), ..call(&station, "acme/echo.say_v1") }).await.unwrap();
    assert_eq!(answer.get("said"), Some(&text("hello")));
    let providers = caller.providers(&station.realm_id(), "acme/echo.say_v1").await.unwrap();
    assert_eq!(providers.len(), 1);
    assert_eq!((providers[0].node, providers[0].station), (provider.node_id(), station.node_id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_serve_one_procedure_and_each_is_reached() {
    let station = station().await;
    let (one, other, caller) = (node(&station).await, node(&station).await, node(&station).await);
    claim(&station, &one, "acme").await.unwrap();
    let mut served = Vec::new();
    for provider in [&one, &other] {
        let id = Value::Bytes(provider.node_id().to_vec());
        let answer = handler(move |_| std::future::ready(Ok(id.clone())));
        let offer = Offer::unary(station.realm_id(), "acme/who_v1", answer);
        served.push(provider.serve(offer).await.unwrap());
    }
    for provider in [&one, &other] {
        let answer = caller.call(Call { provider: provider.node_id(), ..call(&station, "acme/who_v1") }).await;
        assert_eq!(answer.unwrap(), Value::Bytes(provider.node_id().to_vec()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_refuses_reaches_the_caller_as_it_said_it() {
    let station = station().await;
    let (provider, caller) = (node(&station).await, node(&station).await);
    let sulk = record::own_procedure(&provider.node_id(), "sulk");
    let answer = handler(|_| std::future::ready(Err("not today".to_owned())));
    let _served = provider.serve(Offer::unary(station.realm_id(), &sulk, answer)).await.unwrap();
    let told = crate::kit::told(caller.call(call(&station, &sulk)).await);
    assert_eq!(told, ("handler_error".to_owned(), "not today".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_a_megabyte_and_many_at_once_arrive_whole() {
    let station = station().await;
    let (provider, caller) = (node(&station).await, node(&station).await);
    let ring = record::own_procedure(&provider.node_id(), "ring");
    let _served = provider.serve(echo(&station, &ring)).await.unwrap();
    let long = Value::Bytes(vec![7; 1 << 20]);
    let answer = caller.call(Call { payload: long.clone(), ..call(&station, &ring) }).await.unwrap();
    assert_eq!(answer.get("said"), Some(&long));
    let calls = (0..64).map(|number| {
        let (caller, call) = (caller.clone(), Call { payload: Value::Int(number), ..call(&station, &ring) });
        tokio::spawn(async move { (number, caller.call(call).await.unwrap()) })
    });
    for answered in calls.collect::<Vec<_>>() {
        let (number, answer) = soon(answered).await.unwrap();
        assert_eq!(answer.get("said"), Some(&Value::Int(number)));
    }
    assert_eq!(station.counts().pending_calls, 0);
}

/// Whoever asks for providers is not told of one that is gone, nor sent there by what it remembers.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_advertised_is_gone_with_its_connection_and_back_with_the_next() {
    let station = station().await;
    let (provider, caller) = (node(&station).await, node(&station).await);
    let ring = record::own_procedure(&provider.node_id(), "ring");
    let _served = provider.serve(echo(&station, &ring)).await.unwrap();
    caller.call(call(&station, &ring)).await.unwrap();

    let id = provider.node_id();
    station.faults().freeze();
    station.faults().drop_node(id);
    until("the station forgot the node", || !station.faults().is_connected(id)).await;
    let counts = station.counts();
    assert_eq!((counts.procedures, counts.records), (0, 0));
    station.faults().thaw();
    until("the node advertises anew", || station.counts().records == 1).await;
    caller.call(call(&station, &ring)).await.unwrap();

    provider.close().await;
    until("the station forgot the node", || !station.faults().is_connected(id)).await;
    let remembered = caller.call(call(&station, &ring)).await;
    let unknown =
        matches!(&remembered, Err(PoolError::Link(LinkError::Relay { code, .. })) if code == "unknown_next_peer");
    assert!(unknown, "{remembered:?}");
    let looked_up = caller.call(call(&station, &ring)).await;
    assert!(matches!(looked_up, Err(PoolError::NoProvider(_))), "{looked_up:?}");
}

/// A pool dials a station that it has no link to at the address that the station's own record tells.
#[tokio::test(flavor = "multi_thread")]
async fn the_station_tells_where_it_is_dialled() {
    let station = station().await;
    let target = node(&station).await.station_target(&station.node_id()).await.unwrap();
    assert_eq!((target.host, target.port), (seed(&station).host, seed(&station).port));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_connection_of_a_node_supersedes_the_first() {
    let station = station().await;
    let key = key();
    let first = link(&station, key.clone()).await;
    let ring = record::own_procedure(&first.node_id(), "ring");
    let _served = first.serve(echo(&station, &ring)).await.unwrap();
    let link_of_first = first.link_to(&station.node_id()).await.unwrap();
    // The first, as a pool, would come back and supersede the second in turn.
    let second = link(&station, key).await;
    let ended = soon(link_of_first.done()).await;
    assert!(matches!(&ended, LinkError::Goodbye(reason) if reason == "superseded"), "{ended:?}");
    first.close().await;
    let counts = || station.counts();
    until("one connection is left, and nothing that the first advertised", || {
        (counts().connections, counts().procedures, counts().records) == (1, 0, 0)
    })
    .await;
    second.close().await;
}

/// In the profile that the fleet runs. A node calls itself across the station: another would cost seconds more.
#[tokio::test(flavor = "multi_thread")]
async fn a_hybrid_station_relays_a_call() {
    let client = tokio::task::spawn_blocking(hybrid_key);
    let station = tokio::task::spawn_blocking(|| HYBRID.clone()).await.unwrap();
    let keys = Keys { node: station.clone(), realm: station };
    let station = Station::start(Options { keys, ..options() }).await.unwrap();
    let node = link(&station, client.await.unwrap()).await;
    claim(&station, &node, "acme").await.unwrap();
    let _served = node.serve(echo(&station, "acme/echo.say_v1")).await.unwrap();
    let answer = node.call(Call { payload: text("hello"), ..call(&station, "acme/echo.say_v1") }).await.unwrap();
    assert_eq!(answer.get("said"), Some(&text("hello")));
    assert_eq!(station.counts().relayed_calls, 1);
}
