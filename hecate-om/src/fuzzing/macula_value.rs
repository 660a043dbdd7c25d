//! What comes over the mesh: the payload of a call, and that of a reply.

use std::collections::BTreeMap;
use std::fmt::Debug;

use macula_rust::cbor::{self, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lab;
use super::messages::{Everything, Inner, Open, survives};
use crate::capability::{Input, Output};
use crate::dispatch::Origin;
use crate::guard::warrant::{LocalUser, Warrant};
use crate::mesh::metadata::{self, Metadata};
use crate::mesh::value;

/// Reads a value as every kind of message, as what a caller says of its call, and as a refusal.
pub(super) fn macula_value(input: &[u8]) {
    let Ok(value) = cbor::decode(input) else { return };
    assert_eq!(cbor::encode(&value).unwrap().len(), value::size(&value), "{value:?}");

    reads_as::<()>(&value);
    reads_as::<Everything>(&value);
    reads_as::<Inner>(&value);
    reads_as::<Open>(&value);
    reads_as::<BTreeMap<String, BTreeMap<u64, Option<String>>>>(&value);
    reads_as::<BTreeMap<i32, (u8, bool, char)>>(&value);
    reads_as::<serde_json::Map<String, serde_json::Value>>(&value);
    is_refused_well(value.clone());
    is_answered(value);
}

/// What it is read as is the same after another journey; where it does not read, why is short.
fn reads_as<T: Debug + PartialEq + Serialize + DeserializeOwned + 'static>(value: &Value) {
    match value::decode::<T>(value.clone()) {
        Ok(message) => survives(&message),
        Err(error) => {
            let error = error.of_request();
            assert!(error.message().len() < 16 * 1024, "{}", error.message().len());
        }
    }
}

/// A refusal of a peer, told on to the caller's own caller, says the same.
fn is_refused_well(mut reply: Value) {
    let Some(first) = metadata::take_refusal(&mut reply) else { return };
    assert!(metadata::text(&first).len() <= 256);
    let mut told = metadata::refusal(&first);
    cbor::encode(&told).unwrap();
    let second = metadata::take_refusal(&mut told).unwrap();
    assert_eq!(
        (first.code(), first.message(), first.is_retryable(), first.retry_after()),
        (second.code(), second.message(), second.is_retryable(), second.retry_after()),
    );
    drop(cbor::encode(&metadata::refusal(&second)).unwrap());
}

/// The call that it may be ends, with an answer in the same form.
fn is_answered(mut payload: Value) {
    let said = match Metadata::take(&mut payload) {
        None => Metadata::default(),
        Some(Ok(said)) => {
            let mut beside = Value::Map(Vec::new());
            said.put(&mut beside);
            assert_eq!(Metadata::take(&mut beside).unwrap().unwrap(), said);
            said
        }
        Some(Err(error)) => {
            let mut told = metadata::refusal(&error.of_request());
            assert_eq!(metadata::take_refusal(&mut told).unwrap().code(), "invalid_request");
            return;
        }
    };
    let user = LocalUser::of(0, 0).unwrap();
    let origin = Origin { warrant: Warrant::Local { user, token: None }, hops: said.hops, time_left: None };
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    }
    for path in ["lab.take/v1", "lab.take/v2", "lab.unit/v1", "lab.refuse/v65535"] {
        let call = lab::call(path, origin.clone(), Input::Value(payload.clone()));
        match RUNTIME.with(|runtime| runtime.block_on(call)) {
            Ok(Output::Value(reply)) => drop(cbor::encode(&reply).unwrap()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => drop(cbor::encode(&metadata::refusal(&error)).unwrap()),
        }
    }
    lab::is_at_rest();
}
