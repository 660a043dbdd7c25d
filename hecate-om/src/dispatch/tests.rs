//! Each call counts once, as what it came to.

mod cancelled;
mod guarded;
mod limits;
mod streams;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::*;
use crate::capability::{Call, Handlers, Input, Output};
use crate::client::Calls;
use crate::guard::warrant::LocalUser;
use crate::service::IdentitySpec;

struct Lab;

#[derive(Deserialize, Serialize, schemars::JsonSchema)]
struct Text {
    text: String,
}

static CAPABILITIES: [CapabilityInfo; 1] = [CapabilityInfo::new("lab.do", 1, "Does it.", 50)];
static INFO: ServiceInfo = {
    let identity = IdentitySpec::new("lab", &[], &[], 30);
    ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", &CAPABILITIES, identity, 8470, "{}")
};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

async fn act(how: String, call: Call<Lab>) -> Result<Text, CapabilityError> {
    match how.as_str() {
        "refuse" => Err(CapabilityError::refused("no", "no")),
        "forbid" => Err(CapabilityError::new(ErrorCode::Unauthorized, "no")),
        "fail" => Err(CapabilityError::internal("broken")),
        "panic" => panic!("early"),
        "panic late" => {
            tokio::task::yield_now().await;
            panic!("late")
        }
        "wait" => std::future::pending().await,
        "wait badly" => {
            let _bomb = Bomb;
            std::future::pending().await
        }
        "brief" => {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(Text { text: call.trace().traceparent() })
        }
        _ => Ok(Text { text: how }),
    }
}

fn closed() -> Arc<Dispatch> {
    Dispatch::new(&INFO)
}

fn open() -> Arc<Dispatch> {
    let mut handlers = Handlers::<Lab>::new();
    handlers.unary(|_lab, call, request: Text| act(request.text, call));
    let dispatch = closed();
    dispatch.open(handlers.bind(&Arc::new(Lab), &Calls::none_of(&INFO)));
    dispatch
}

fn origin() -> Origin {
    let user = LocalUser::of(0, 0).unwrap();
    Origin { warrant: Warrant::Local { user, token: None }, hops: 0, time_left: None }
}

fn admitted(dispatch: &Arc<Dispatch>) -> Result<Admitted, CapabilityError> {
    dispatch.admit(0, origin(), None)
}

async fn ask(dispatch: &Arc<Dispatch>, how: &str) -> Result<Output, CapabilityError> {
    let body = serde_json::to_vec(&Text { text: how.to_owned() }).unwrap();
    admitted(dispatch)?.answer(Input::Json(body.into()))?.await
}

fn counted(dispatch: &Dispatch) -> Vec<(&'static str, u64)> {
    let (_, tally) = dispatch.tallies().next().unwrap();
    assert_eq!(tally.running(), 0);
    assert_eq!(dispatch.in_flight(), 0);
    let all = Outcome::ALL.map(|outcome| (outcome.word(), tally.calls(outcome)));
    all.into_iter().filter(|(_, calls)| *calls > 0).collect()
}

#[tokio::test]
async fn each_outcome_counts_once() {
    let cases = [
        ("say", "ok"),
        ("brief", "ok"),
        ("refuse", "refused"),
        ("forbid", "unauthorized"),
        ("fail", "internal"),
        ("panic", "panic"),
        ("panic late", "panic"),
        ("wait", "timeout"),
        ("wait badly", "panic"),
    ];
    for (how, word) in cases {
        let dispatch = open();
        assert_eq!(ask(&dispatch, how).await.is_ok(), word == "ok", "{how}");
        assert_eq!(counted(&dispatch), [(word, 1)], "{how}");
        assert_eq!(dispatch.panics(), u64::from(word == "panic"), "{how}");
        let (_, tally) = dispatch.tallies().next().unwrap();
        assert_eq!(tally.durations.snapshot().count, 1, "{how}");
        assert_eq!(tally.requests.snapshot().count, 1, "{how}");
        assert_eq!(tally.replies.snapshot().count, u64::from(word == "ok"), "{how}");
    }
}

#[tokio::test]
async fn what_does_not_reach_its_handler_counts_once() {
    let dispatch = open();
    for body in [&b"{"[..], b"[]", br#"{"text":1}"#] {
        let answer = admitted(&dispatch).unwrap().answer(Input::Json(body.into())).unwrap();
        assert_eq!(answer.await.unwrap_err().code(), "invalid_request");
    }
    let large = vec![b' '; MAX_REQUEST + 1];
    let refused = admitted(&dispatch).unwrap().answer(Input::Json(large.into())).err().unwrap();
    assert_eq!(refused.code(), "payload_too_large");
    admitted(&dispatch).unwrap().refuse(too_large(MAX_REQUEST));
    assert_eq!(counted(&dispatch), [("invalid", 5)]);
    // Its caller left in the middle of its body.
    drop(admitted(&dispatch));
    admitted(&dispatch).unwrap().timed_out();
    dispatch.turned_away(0, CapabilityError::new(ErrorCode::Unauthorized, "no"));
    assert_eq!(counted(&dispatch), [("invalid", 6), ("unauthorized", 1), ("timeout", 1)]);

    assert_eq!(dispatch.stranger("lab.od", "1").code(), "unknown_capability");
    assert_eq!(dispatch.unknown(), 1);
    dispatch.drain();
    assert_eq!(ask(&dispatch, "say").await.unwrap_err().code(), "draining");
    assert_eq!(counted(&dispatch), [("invalid", 6), ("unauthorized", 1), ("timeout", 1), ("draining", 1)]);
    let dispatch = closed();
    assert_eq!(ask(&dispatch, "say").await.unwrap_err().code(), "unavailable");
    assert_eq!(counted(&dispatch), [("draining", 1)]);
}

#[tokio::test]
async fn a_call_too_many_is_overloaded_and_one_whose_caller_left_counts_as_what_it_came_to() {
    let dispatch = open();
    let body = Bytes::from_static(br#"{"text":"brief"}"#);
    let mut running = Vec::new();
    for _ in 0..Limits::DEFAULT.concurrency {
        let mut answer = admitted(&dispatch).unwrap().answer(Input::Json(body.clone())).unwrap();
        assert!(poll_fn(|context| Poll::Ready(Pin::new(&mut answer).poll(context))).await.is_pending());
        running.push(answer);
    }
    assert_eq!(ask(&dispatch, "say").await.unwrap_err().code(), "overloaded");
    assert_eq!(dispatch.running()[0].1, Limits::DEFAULT.concurrency);
    drop(running);
    dispatch.drain();
    dispatch.drained().await;
    let (_, tally) = dispatch.tallies().next().unwrap();
    let ended = tally.calls(Outcome::Ok) + tally.calls(Outcome::Timeout);
    assert_eq!((ended, tally.calls(Outcome::Overloaded)), (Limits::DEFAULT.concurrency as u64, 1));
    assert_eq!(tally.durations.snapshot().count, Limits::DEFAULT.concurrency as u64 + 1);
}
