mod chance;
mod edges;
mod keys;
mod messages;
mod peers;

use macula_rust::{cbor, frame};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Reason, Value, ValueError, decode, encode, size};

/// The value of a message as the SDK's own codec hands it to the other side.
fn carried<T: Serialize>(message: &T) -> Value {
    let value = encode(message).unwrap();
    frame::check_payload(&value).unwrap();
    let bytes = cbor::encode(&value).unwrap();
    assert_eq!(bytes.len(), size(&value), "{value:?}");
    cbor::decode(&bytes).unwrap()
}

fn there_and_back<T: Serialize + DeserializeOwned>(message: &T) -> T {
    decode(carried(message)).unwrap_or_else(|error| panic!("{error}"))
}

/// What a message means to callers that send and read JSON.
fn through_json<T: Serialize + DeserializeOwned>(message: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(message).unwrap()).unwrap()
}

/// Where and why a message is not carried.
fn refused<T: Serialize>(message: &T) -> (String, Reason) {
    told(encode(message).unwrap_err())
}

fn told(error: ValueError) -> (String, Reason) {
    (error.path(), error.reason().clone())
}

/// Why a value is not such a message, and where, as text.
fn unreadable<T: DeserializeOwned>(value: Value) -> String {
    decode::<T>(value).err().unwrap().to_string()
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (Value::text(key), value)).collect())
}

fn int(number: i64) -> Value {
    Value::Int(number.into())
}
