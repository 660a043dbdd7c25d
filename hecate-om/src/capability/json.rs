//! JSON in and out. `()` is `{}` on the wire, in both directions and in the schemas.

#[cfg(feature = "fast-json")]
mod fast;

use std::any::{Any, TypeId};

use bytes::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{CapabilityError, ErrorCode};

fn is_unit<T: 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<()>()
}

/// How a message is spoken of when it cannot be read.
struct Words {
    no_object: &'static str,
    wrong: &'static str,
}

const REQUEST: Words =
    Words { no_object: "a request is a JSON object, `{..}`", wrong: "the request is not what this capability takes" };

const REPLY: Words =
    Words { no_object: "a reply is a JSON object, `{..}`", wrong: "the reply is not what the caller expects" };

/// Reads a request; an empty body is `{}`.
///
/// # Errors
/// `invalid_request` with the path of what could not be read.
pub(crate) fn decode<R: DeserializeOwned + 'static>(body: &[u8]) -> Result<R, CapabilityError> {
    read(body, &REQUEST)
}

/// Reads a reply.
///
/// # Errors
/// `invalid_request` with the path of what could not be read.
pub(crate) fn decode_reply<T: DeserializeOwned + 'static>(body: &[u8]) -> Result<T, CapabilityError> {
    read(body, &REPLY)
}

/// What a caller is told of a reply in another form that it cannot read.
#[cfg(feature = "macula")]
pub(crate) fn unreadable_reply(why: &dyn std::error::Error) -> CapabilityError {
    CapabilityError::invalid_request(format!("{}: {why}", REPLY.wrong))
}

fn read<R: DeserializeOwned + 'static>(body: &[u8], words: &Words) -> Result<R, CapabilityError> {
    let body = if body.is_empty() { b"{}" } else { body };
    // serde would read a struct from a list, too.
    if !matches!(body.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{')) {
        return Err(
            CapabilityError::invalid_request(words.no_object).with_details(json!({"path": "", "line": 1, "column": 1}))
        );
    }
    let mut read: Option<R> = None;
    if let Some(unit) = (&mut read as &mut dyn Any).downcast_mut::<Option<()>>() {
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body)
            .map_err(|_| diagnose::<NoFields>(body, words))?;
        *unit = Some(());
    }
    #[cfg(feature = "fast-json")]
    let read = read.or_else(|| fast::decode(body));
    match read {
        Some(read) => Ok(read),
        None => serde_json::from_slice(body).map_err(|_| diagnose::<R>(body, words)),
    }
}

#[derive(serde::Deserialize)]
struct NoFields {}

/// Reads once more, keeping track of the path: only calls that fail pay for it.
fn diagnose<R: DeserializeOwned>(body: &[u8], words: &Words) -> CapabilityError {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let error = match serde_path_to_error::deserialize::<_, R>(&mut reader) {
        Err(error) => error,
        // Only what follows the value is left to be wrong.
        Ok(_) => match reader.end() {
            Err(error) => return invalid("", &error, words),
            Ok(()) => return CapabilityError::invalid_request(words.wrong),
        },
    };
    let path = error.path().to_string();
    // Where there is no path yet it is `.`, or `?` in a document that ends early.
    invalid(if matches!(path.as_str(), "." | "?") { "" } else { &path }, error.inner(), words)
}

fn invalid(path: &str, error: &serde_json::Error, words: &Words) -> CapabilityError {
    let place = if path.is_empty() { String::new() } else { format!("`{path}`: ") };
    let message = format!("{}: {place}{error}", words.wrong);
    CapabilityError::new(ErrorCode::InvalidRequest, message)
        .with_details(json!({"path": path, "line": error.line(), "column": error.column()}))
}

/// What is expected of a message when none was written before.
pub(crate) const UNKNOWN_SIZE: usize = 0;

/// Writes a message that probably has `expected` bytes.
///
/// # Errors
/// `internal` when the value has no JSON form.
pub(crate) fn encode<T: Serialize + 'static>(message: &T, expected: usize) -> Result<Bytes, CapabilityError> {
    if is_unit::<T>() {
        return Ok(Bytes::from_static(b"{}"));
    }
    let expected = if expected == UNKNOWN_SIZE { 128 } else { expected };
    let mut written = Vec::with_capacity(expected);
    #[cfg(feature = "fast-json")]
    let is_written = fast::encode(message, expected, &mut written);
    #[cfg(not(feature = "fast-json"))]
    let is_written = false;
    if !is_written {
        serde_json::to_writer(&mut written, message).map_err(CapabilityError::internal)?;
    }
    if written.len() < expected / 4 {
        // One large message must not make all that follow hold as much.
        written.shrink_to_fit();
    }
    Ok(Bytes::from(written))
}

/// The schema of a message.
pub(crate) fn schema<T: JsonSchema + 'static>(generator: &mut SchemaGenerator) -> Schema {
    if is_unit::<T>() { json_schema!({"type": "object"}) } else { generator.subschema_for::<T>() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Order {
        items: Vec<Item>,
    }

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Item {
        price: f64,
    }

    fn refused(body: &[u8]) -> CapabilityError {
        decode::<Order>(body).unwrap_err()
    }

    #[test]
    fn a_wrong_value_is_told_with_its_path_and_what_was_expected() {
        let error = refused(br#"{"items": [{"price": 1}, {"price": "x"}]}"#);
        assert_eq!(error.code(), "invalid_request");
        assert_eq!(error.details().unwrap()["path"], "items[1].price");
        assert!(error.message().contains("expected f64"), "{error}");
    }

    #[test]
    fn every_malformed_body_is_an_invalid_request() {
        let deep = "[".repeat(10_000);
        let bodies: [&[u8]; 9] = [
            b"",
            b"{",
            b"null",
            b"[]",
            b"\xff\xfe",
            b"{} x",
            b"\xef\xbb\xbf{}",
            b"{\"items\": 1e999}",
            deep.as_bytes(),
        ];
        for body in bodies {
            assert_eq!(
                refused(body).code(),
                "invalid_request",
                "{:?}",
                String::from_utf8_lossy(&body[..body.len().min(20)])
            );
        }
    }

    #[test]
    fn unit_is_an_empty_object() {
        decode::<()>(b"").unwrap();
        decode::<()>(b"{}").unwrap();
        decode::<()>(br#"{"more": 1}"#).unwrap();
        assert_eq!(decode::<()>(b"[]").unwrap_err().code(), "invalid_request");
        assert_eq!(encode(&(), UNKNOWN_SIZE).unwrap(), "{}");
    }
}
