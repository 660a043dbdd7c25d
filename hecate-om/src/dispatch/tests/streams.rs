//! A stream is one call from its head to its last item.

use std::future::poll_fn;

use super::*;
use crate::capability::{Encoding, Incoming, Item, Items, Kind, ReplyStream, RequestStream};

static STREAMS: [CapabilityInfo; 2] = [
    CapabilityInfo::new("lab.tell", 1, "Tells.", 50).kind(Kind::ServerStream),
    CapabilityInfo::new("lab.hear", 1, "Hears.", 50).kind(Kind::ClientStream),
];
static SERVICE: ServiceInfo = {
    let identity = IdentitySpec::new("lab", &[], &[], 30);
    ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", &STREAMS, identity, 8470, "{}")
};

async fn tell(how: String) -> Result<ReplyStream<Text>, CapabilityError> {
    if how == "refuse" {
        return Err(CapabilityError::refused("no", "no"));
    }
    Ok(ReplyStream::produce(async move |sink| {
        sink.send(Text { text: "first".to_owned() }).await;
        match how.as_str() {
            "fail" => return Err(CapabilityError::refused("enough", "enough")),
            "panic" => panic!("late"),
            "wait" => std::future::pending().await,
            _ => {}
        }
        sink.send(Text { text: how }).await;
        Ok(())
    }))
}

async fn hear(mut texts: RequestStream<Text>) -> Result<Text, CapabilityError> {
    let mut all = Vec::new();
    while let Some(text) = texts.next().await {
        all.push(text?.text);
    }
    Ok(Text { text: all.join(" ") })
}

fn streaming() -> Arc<Dispatch> {
    let mut handlers = Handlers::<Lab>::new();
    handlers.server_stream(|_lab, _call, request: Text| tell(request.text));
    handlers.client_stream(|_lab, _call, texts| hear(texts));
    let dispatch = Dispatch::new(&SERVICE);
    dispatch.open(handlers.bind(&Arc::new(Lab), &Calls::none_of(&SERVICE)));
    dispatch
}

async fn told(dispatch: &Arc<Dispatch>, how: &str) -> Result<Items, CapabilityError> {
    let body = serde_json::to_vec(&Text { text: how.to_owned() }).unwrap();
    match admitted(dispatch)?.answer(Input::Json(body.into()))?.await? {
        Output::Items(items) => Ok(items),
        other => panic!("{other:?}"),
    }
}

async fn next(items: &mut Items) -> Option<Result<String, CapabilityError>> {
    let item = poll_fn(|context| items.as_mut().poll_next(context)).await?;
    Some(item.map(|item| match item {
        Item::Json(body) => serde_json::from_slice::<Text>(&body).unwrap().text,
        #[cfg(feature = "macula")]
        Item::Value(_) => panic!("asked in JSON"),
    }))
}

#[tokio::test]
async fn a_stream_counts_once_as_what_it_ended_with() {
    for (how, word, code) in [
        ("more", "ok", None),
        ("fail", "refused", Some("enough")),
        ("panic", "panic", Some("internal")),
        ("wait", "timeout", Some("timeout")),
    ] {
        let dispatch = streaming();
        let mut items = told(&dispatch, how).await.unwrap();
        assert_eq!(next(&mut items).await.unwrap().unwrap(), "first");
        assert_eq!(dispatch.running().len(), 1, "it keeps its place");
        let last = next(&mut items).await.unwrap();
        match code {
            None => assert_eq!(last.unwrap(), how),
            Some(code) => assert_eq!(last.unwrap_err().code(), code),
        }
        assert!(next(&mut items).await.is_none());
        assert_eq!(counted(&dispatch), [(word, 1)], "{how}");
    }
}

#[tokio::test]
async fn a_refusal_comes_before_the_stream() {
    let dispatch = streaming();
    assert_eq!(told(&dispatch, "refuse").await.err().unwrap().code(), "no");
    assert_eq!(counted(&dispatch), [("refused", 1)]);
}

#[tokio::test]
async fn a_stream_that_nobody_reads_any_more_gives_its_place_back() {
    let dispatch = streaming();
    let items = told(&dispatch, "more").await.unwrap();
    assert_eq!(dispatch.in_flight(), 1);
    while dispatch.in_flight() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(counted(&dispatch), [("timeout", 1)], "its reader sleeps");
    drop(items);
    drop(told(&dispatch, "more").await.unwrap());
    assert_eq!(counted(&dispatch), [("ok", 1), ("timeout", 1)], "its reader has left");
}

#[tokio::test]
async fn the_end_of_a_drain_ends_streams() {
    let dispatch = streaming();
    let mut items = told(&dispatch, "wait").await.unwrap();
    next(&mut items).await.unwrap().unwrap();
    dispatch.drain();
    dispatch.end_streams();
    assert_eq!(next(&mut items).await.unwrap().unwrap_err().code(), "draining");
    dispatch.drained().await;
}

#[tokio::test]
async fn requests_come_one_by_one_and_each_is_measured() {
    let sent = |texts: &[&str]| {
        let items: Vec<Bytes> =
            texts.iter().map(|text| serde_json::to_vec(&Text { text: (*text).to_owned() }).unwrap().into()).collect();
        let mut items = items.into_iter();
        let items = Box::pin(crate::capability::FromPoll(move |_: &mut std::task::Context<'_>| {
            Poll::Ready(items.next().map(|body| Ok(Item::Json(body))))
        }));
        Input::Items(Incoming { encoding: Encoding::Json, items })
    };
    let dispatch = streaming();
    let heard = async |input| match dispatch.admit(1, origin(), None)?.answer(input)?.await? {
        Output::Json(body) => Ok::<_, CapabilityError>(serde_json::from_slice::<Text>(&body).unwrap().text),
        other => panic!("{other:?}"),
    };
    assert_eq!(heard(sent(&["a", "b", "c"])).await.unwrap(), "a b c");
    let large = "x".repeat(MAX_REQUEST);
    assert_eq!(heard(sent(&["a", &large])).await.unwrap_err().code(), "payload_too_large");
    assert_eq!(heard(Input::Json("{}".into())).await.unwrap_err().code(), "invalid_request");
}
