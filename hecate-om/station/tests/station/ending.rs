//! How a station ends, and what comes after it.

use std::time::{Duration, Instant};

use macula_rust::pool::Call;
use macula_rust::record;
use macula_rust::station_link::LinkError;

use crate::kit::{call, echo, key, link, node, options, soon, station, text, until};
use hecate_om_station::{Options, Station};

#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_closes_says_goodbye_in_time() {
    let station = station().await;
    let nodes = [node(&station).await, node(&station).await];
    let mut links = Vec::new();
    for node in &nodes {
        links.push(node.link_to(&station.node_id()).await.unwrap());
    }
    let started = Instant::now();
    station.close().await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    for link in links {
        let ended = soon(link.done()).await;
        assert!(matches!(&ended, LinkError::Goodbye(reason) if reason == "station_stop"), "{ended:?}");
    }
}

/// Clients that are not told, as those of a process that was killed, learn it from the next station's first
/// packet: within seconds, on the same port and with the same keys, every one is back with what it serves.
#[tokio::test(flavor = "multi_thread")]
async fn the_clients_of_a_station_that_died_are_back_at_the_next() {
    let before = options();
    // A runtime of its own, so that everything of it dies at once.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let first = runtime.spawn(Station::start(before.clone())).await.unwrap().unwrap();
    let bind = first.address();
    let (provider, caller) = (node(&first).await, node(&first).await);
    let ring = record::own_procedure(&provider.node_id(), "ring");
    let _served = provider.serve(echo(&first, &ring)).await.unwrap();
    let ended = provider.link_to(&first.node_id()).await.unwrap();
    // With nothing left that could send, the station is dropped without a word, as by a kill.
    tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(10))).await.unwrap();
    drop(first);

    let next = async {
        loop {
            match Station::start(Options { bind, ..before.clone() }).await {
                Ok(station) => return station,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let next = soon(next).await;
    // Whatever a client sends is answered with a reset, long before the connection would time out.
    let started = Instant::now();
    for node in [&provider, &caller] {
        let (node, slot) = (node.clone(), record::station_endpoint_key(&next.node_id()));
        tokio::spawn(async move { node.find_record(&slot).await });
    }
    let why = soon(ended.done()).await;
    assert!(matches!(why, LinkError::ClosedByStation(_)), "{why:?} after {:?}", started.elapsed());
    until("both are back", || {
        let counts = next.counts();
        (counts.connections, counts.records) == (2, 1)
    })
    .await;
    let answer = caller.call(Call { payload: text("again"), ..call(&next, &ring) }).await.unwrap();
    assert_eq!(answer.get("said"), Some(&text("again")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_is_dropped_is_gone() {
    let before = options();
    let station = Station::start(before.clone()).await.unwrap();
    let bind = station.address();
    let node = node(&station).await;
    drop(station);
    until("the link is down", || !node.status()[0].up).await;
    let next = async {
        loop {
            if let Ok(station) = Station::start(Options { bind, ..before.clone() }).await {
                return station;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let next = soon(next).await;
    link(&next, key()).await;
}
