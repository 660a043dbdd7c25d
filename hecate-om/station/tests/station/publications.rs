//! What is published and who hears it.

use macula_rust::cbor::Value;
use macula_rust::frame::Payload;
use macula_rust::pool::{Delivery, Pool, Subscription};
use macula_rust::station_link::Publication;

use crate::kit::{node, soon, station, text, until};
use hecate_om_station::Station;

async fn publish(station: &Station, node: &Pool, topic: &str, payload: Value) {
    let publication = Publication {
        realm: station.realm_id(),
        topic: topic.to_owned(),
        payload: Payload::Clear(payload),
        ttl_ms: None,
    };
    node.publish(publication).await.unwrap();
}

async fn heard(subscription: &mut Subscription) -> Value {
    match soon(subscription.recv()).await.unwrap() {
        Delivery::Event(event) => match event.payload {
            Payload::Clear(payload) => payload,
            sealed => panic!("sealed: {sealed:?}"),
        },
        other => panic!("no event: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_subscribed_hears_what_is_published_in_order_and_nothing_else() {
    let station = station().await;
    let (publisher, one, other) = (node(&station).await, node(&station).await, node(&station).await);
    let realm = station.realm_id();
    let mut of_one = one.subscribe(&realm, "news").await.unwrap();
    let mut of_other = other.subscribe(&realm, "news").await.unwrap();
    let mut elsewhere = other.subscribe(&realm, "weather").await.unwrap();
    let mut own = publisher.subscribe(&realm, "news").await.unwrap();
    for number in 0..20 {
        publish(&station, &publisher, "news", Value::Int(number)).await;
        tokio::task::yield_now().await;
    }
    for number in 0..20 {
        for subscription in [&mut of_one, &mut of_other, &mut own] {
            assert_eq!(heard(subscription).await, Value::Int(number));
        }
    }
    publish(&station, &publisher, "weather", text("rain")).await;
    assert_eq!(heard(&mut elsewhere).await, text("rain"));
    let counts = station.counts();
    assert_eq!((counts.published, counts.delivered, counts.subscriptions), (21, 61, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_unsubscribed_or_left_is_not_told_any_more() {
    let station = station().await;
    let (publisher, one, other) = (node(&station).await, node(&station).await, node(&station).await);
    let realm = station.realm_id();
    let mut of_one = one.subscribe(&realm, "news").await.unwrap();
    let _of_other = other.subscribe(&realm, "news").await.unwrap();
    of_one.unsubscribe().await.unwrap();
    until("one subscription is left", || station.counts().subscriptions == 1).await;
    other.close().await;
    until("none is left", || station.counts().subscriptions == 0).await;
    publish(&station, &publisher, "news", text("to nobody")).await;
    until("it was published", || station.counts().published == 1).await;
    assert_eq!(station.counts().delivered, 0);
}

/// What a test does with a subscription goes on where its link is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_back_with_its_link() {
    let station = station().await;
    let (publisher, subscriber) = (node(&station).await, node(&station).await);
    let mut subscription = subscriber.subscribe(&station.realm_id(), "news").await.unwrap();
    assert!(station.faults().drop_node(subscriber.node_id()));
    assert!(matches!(soon(subscription.recv()).await, Some(Delivery::Interrupted(_))));
    assert!(matches!(soon(subscription.recv()).await, Some(Delivery::Gap(_))));
    publish(&station, &publisher, "news", text("again")).await;
    assert_eq!(heard(&mut subscription).await, text("again"));
}
