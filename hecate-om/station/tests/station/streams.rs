//! Streams through the station's relay.

use std::time::Duration;

use macula_rust::cbor::Value;
use macula_rust::frame::{StreamMode, StreamRole};
use macula_rust::pool::{Offer, Pool, StreamCall};
use macula_rust::record;
use macula_rust::station_link::{LinkError, Stream, StreamEvent, stream_handler};
use tokio::sync::mpsc;

use crate::kit::{node, soon, station, text, until};
use hecate_om_station::Station;

fn bytes(event: StreamEvent) -> Vec<u8> {
    match event {
        StreamEvent::Data { body: Value::Bytes(bytes), .. } => bytes,
        other => panic!("no chunk: {other:?}"),
    }
}

fn open(station: &Station, procedure: &str, mode: StreamMode) -> StreamCall {
    let deadline = Duration::from_secs(60);
    StreamCall { realm: station.realm_id(), procedure: procedure.to_owned(), mode, deadline, ..StreamCall::default() }
}

/// Serves streams that a test answers itself, and opens one.
async fn opened(station: &Station, provider: &Pool, caller: &Pool) -> (Stream, Stream) {
    let talk = record::own_procedure(&provider.node_id(), "talk");
    let (sender, mut streams) = mpsc::channel(1);
    let answer = stream_handler(move |stream: Stream| {
        let sender = sender.clone();
        async move {
            sender.send(stream.clone()).await.unwrap();
            let _ = stream.done().await;
            Ok(())
        }
    });
    let offer = Offer::stream(station.realm_id(), &talk, StreamMode::Bidi, answer);
    provider.serve(offer).await.unwrap();
    let ours = caller.open_stream(open(station, &talk, StreamMode::Bidi)).await.unwrap();
    (ours, soon(streams.recv()).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_sides_of_a_stream_send_arrives_in_order_and_so_does_its_end() {
    let station = station().await;
    let (provider, caller) = (node(&station).await, node(&station).await);
    let (ours, theirs) = opened(&station, &provider, &caller).await;
    assert_eq!((station.counts().relayed_streams, station.counts().streams), (1, 1));
    for number in 0..100_u8 {
        ours.send(&[number; 1000]).await.unwrap();
        theirs.send(&[number, 1]).await.unwrap();
    }
    ours.close_send().await.unwrap();
    for number in 0..100_u8 {
        assert_eq!(bytes(soon(theirs.recv()).await.unwrap()), [number; 1000]);
        assert_eq!(bytes(soon(ours.recv()).await.unwrap()), [number, 1]);
    }
    assert_eq!(soon(theirs.recv()).await.unwrap(), StreamEvent::End { role: StreamRole::Send });
    theirs.reply(text("bye")).await.unwrap();
    assert_eq!(soon(ours.recv()).await.unwrap(), StreamEvent::Reply { payload: text("bye") });
    assert_eq!(soon(ours.done()).await, None);
    until("the station let go of the stream", || station.counts().streams == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_reaches_the_other_side_either_way() {
    let station = station().await;
    for by_caller in [true, false] {
        let (provider, caller) = (node(&station).await, node(&station).await);
        let (ours, theirs) = opened(&station, &provider, &caller).await;
        let (aborts, hears) = if by_caller { (ours, theirs) } else { (theirs, ours) };
        aborts.abort("enough", "of that").await.unwrap();
        let heard = soon(hears.done()).await;
        assert!(matches!(&heard, Some(LinkError::Stream { code, .. }) if code == "enough"), "{heard:?}");
        until("the station let go of the stream", || station.counts().streams == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_connection_of_either_side() {
    let station = station().await;
    for of_caller in [true, false] {
        let (provider, caller) = (node(&station).await, node(&station).await);
        let (ours, theirs) = opened(&station, &provider, &caller).await;
        let (gone, left) = if of_caller { (caller.node_id(), theirs) } else { (provider.node_id(), ours) };
        assert!(station.faults().drop_node(gone));
        assert!(soon(left.done()).await.is_some());
        until("the station let go of the stream", || station.counts().streams == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_to_nobody_is_refused_by_the_station() {
    let station = station().await;
    let (provider, caller) = (node(&station).await, node(&station).await);
    let (ours, _theirs) = opened(&station, &provider, &caller).await;
    let talk = ours.request().procedure.clone();
    let id = provider.node_id();
    provider.close().await;
    until("the station forgot the provider", || !station.faults().is_connected(id)).await;
    // The caller remembers who served it.
    let stream = caller.open_stream(open(&station, &talk, StreamMode::Bidi)).await.unwrap();
    let refused = soon(stream.done()).await;
    let told = matches!(&refused, Some(LinkError::Stream { code, relay: true, .. }) if code == "unknown_next_peer");
    assert!(told, "{refused:?}");
    assert_eq!(station.counts().relay_errors, 1);
}
