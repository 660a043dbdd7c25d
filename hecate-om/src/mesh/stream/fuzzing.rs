//! What a peer sends in a stream, between its items and in place of them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a broken promise is told")]

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

use macula_rust::cbor::{self, Value};

use super::*;
use crate::capability::{Encoding, FromPoll, Incoming, Input, Item, Output};
use crate::dispatch::Origin;
use crate::fuzzing::lab;
use crate::guard::warrant::{LocalUser, Warrant};
use crate::mesh::metadata;

/// Reads a list of what came in one stream: a word is told on as it was said, grants nothing that was granted
/// already, and what is none reaches the handler as it came.
pub(crate) fn stream_words(input: &[u8]) {
    let Ok(Value::List(came)) = cbor::decode(input) else { return };
    let window = Window::kept();
    let mut most = 0;
    let mut items = VecDeque::new();
    for value in came {
        let word = match Word::or_item(value.clone()) {
            Ok(word) => word,
            Err(item) => {
                is_what_came(&item, value);
                items.push_back(item);
                continue;
            }
        };
        is_told_on(&word);
        if let Word::Credit(total) = word {
            window.taken(total);
            most = most.max(total);
        }
        window.is_granted(most);
    }
    is_answered(items);
}

/// An item is all of what came but `_hecate`.
fn is_what_came(item: &Value, came: Value) {
    assert!(!metadata::is_told(item), "{item:?}");
    match (item, came) {
        (Value::Map(fields), Value::Map(came)) => {
            assert!(came.len() - fields.len() <= 1 && fields.iter().all(|field| came.contains(field)), "{came:?}");
        }
        (item, came) => assert_eq!(*item, came),
    }
}

/// It is read again as it is written.
fn is_told_on(word: &Word) {
    let mut written = cbor::decode(&cbor::encode(&word.value()).unwrap()).unwrap();
    match (word, Word::of(&mut written).unwrap()) {
        (Word::Credit(total), Word::Credit(again)) => assert_eq!(*total, again),
        (Word::Error(first), Word::Error(second)) => {
            assert!(metadata::text(first).len() <= 256);
            assert_eq!(
                (first.code(), first.message(), first.is_retryable(), first.retry_after()),
                (second.code(), second.message(), second.is_retryable(), second.retry_after()),
            );
        }
        (Word::Taken, Word::Taken) | (Word::Open, Word::Open) | (Word::End, Word::End) | (Word::Other, Word::Other) => {
        }
        (word, again) => panic!("{word:?} became {again:?}"),
    }
}

/// A handler that sends back what it gets ends with its items, or with the first that it cannot read.
fn is_answered(mut items: VecDeque<Value>) {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    }
    let sent = items.len();
    let items = FromPoll(move |_: &mut Context<'_>| Poll::Ready(items.pop_front().map(|item| Ok(Item::Value(item)))));
    let input = Input::Items(Incoming { encoding: Encoding::Value, items: Box::pin(items) });
    let user = LocalUser::of(0, 0).unwrap();
    let origin = Origin { warrant: Warrant::Local { user, token: None }, hops: 0, time_left: None };
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let Output::Items(mut replies) = lab::call("lab.each/v1", origin, input).await.unwrap() else {
                panic!("no stream")
            };
            let mut got = 0;
            loop {
                match poll_fn(|context| replies.as_mut().poll_next(context)).await {
                    None => break assert_eq!(got, sent, "an item is lost"),
                    Some(Ok(Item::Value(reply))) => drop(cbor::encode(&reply).unwrap()),
                    Some(Ok(other)) => panic!("{other:?}"),
                    Some(Err(error)) => {
                        drop(cbor::encode(&Word::Error(error).value()).unwrap());
                        let after = poll_fn(|context| replies.as_mut().poll_next(context)).await;
                        break assert!(after.is_none(), "an error is the last");
                    }
                }
                got += 1;
            }
        });
    });
    lab::is_at_rest();
}
