//! What a hecate caller puts beside a request, and how it is refused: both under the key `_hecate`.
//!
//! Apart from `value`, which knows of no meanings. What stands here was written by a peer: it is bounded,
//! and what is not needed for the call never fails it.

mod details;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::value::{Reason, Value, ValueError, cut};
use crate::capability::{CapabilityError, ErrorCode};
use crate::contract::RESERVED;

const KEY: &str = RESERVED[1];
const VERSION: i128 = 1;

/// A `traceparent` has 55 bytes; later versions of it may have a little more.
const MAX_TRACEPARENT: usize = 64;
/// What an error is cut to for callers that know nothing of `_hecate`: more does not fit into a frame's.
const MAX_TEXT: usize = 256;
/// What is taken of a refusal.
const MAX_CODE: usize = 64;
const MAX_MESSAGE: usize = 4096;

/// What a hecate caller tells of its call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Metadata {
    /// How many calls caused this one, each through the one before.
    pub(crate) hops: u8,
    /// Which trace it belongs to.
    pub(crate) traceparent: Option<String>,
    /// How long the caller will wait.
    pub(crate) deadline_ms: Option<u64>,
    /// Under which name the caller grants what a stream of replies may send.
    pub(crate) stream: Option<StreamName>,
}

/// What a caller calls a stream of its own.
pub(crate) type StreamName = [u8; 16];

impl Metadata {
    /// Puts it beside the fields of a request.
    pub(crate) fn put(&self, payload: &mut Value) {
        let mut told = vec![entry("v", Value::Int(VERSION)), entry("hops", Value::Int(self.hops.into()))];
        let traceparent = self.traceparent.as_ref().filter(|text| text.len() <= MAX_TRACEPARENT);
        told.extend(traceparent.map(|text| entry("traceparent", Value::text(text))));
        told.extend(self.deadline_ms.map(|time| entry("deadline_ms", milliseconds(time))));
        told.extend(self.stream.map(|name| entry("stream", Value::Bytes(name.to_vec()))));
        if let Value::Map(fields) = payload {
            fields.push(entry(KEY, Value::Map(told)));
        }
    }

    /// Takes it out of a request; nothing when the caller is no hecate service.
    ///
    /// # Errors
    /// When what stands in its place is something else.
    pub(crate) fn take(payload: &mut Value) -> Option<Result<Self, ValueError>> {
        take(payload).map(|told| Self::read(told).map_err(|error| error.in_field(KEY)))
    }

    fn read(told: Value) -> Result<Self, ValueError> {
        // Later versions may tell more; what they call alike means the same.
        number(&told, "v", 1, i128::MAX)?.ok_or_else(|| wrong("v", "is missing"))?;
        let hops = number(&told, "hops", 0, u8::MAX.into())?.unwrap_or(0);
        let deadline = number(&told, "deadline_ms", 0, i64::MAX.into())?;
        // A trace never fails a call.
        let traceparent = match told.get("traceparent") {
            Some(Value::Text(text)) if text.len() <= MAX_TRACEPARENT => Some(text.clone()),
            _ => None,
        };
        Ok(Self {
            hops: u8::try_from(hops).unwrap_or(u8::MAX),
            traceparent,
            deadline_ms: deadline.and_then(|time| u64::try_from(time).ok()),
            stream: name_in(&told),
        })
    }
}

/// The reply that a hecate caller gets for a call that was refused.
pub(crate) fn refusal(error: &CapabilityError) -> Value {
    let mut told = vec![
        entry("code", Value::text(error.code())),
        entry("message", Value::text(cut(error.message(), MAX_MESSAGE))),
        entry("retryable", Value::Int(error.is_retryable().into())),
    ];
    if let Some(time) = error.retry_after() {
        told.push(entry("retry_after_ms", milliseconds(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))));
    }
    told.extend(error.details().map(|details| entry("details", details::to_value(details))));
    word("error", Value::Map(told))
}

/// What is said in place of an item.
pub(crate) fn word(name: &str, value: Value) -> Value {
    Value::Map(vec![entry(KEY, Value::Map(vec![entry(name, value)]))])
}

/// The stream that is granted to.
pub(crate) fn stream_of(payload: &Value) -> Option<StreamName> {
    name_in(payload.get(KEY)?)
}

fn name_in(told: &Value) -> Option<StreamName> {
    match told.get("stream")? {
        Value::Bytes(name) => StreamName::try_from(name.as_slice()).ok(),
        _ => None,
    }
}

/// Whether something stands under `_hecate`.
pub(crate) fn is_told(value: &Value) -> bool {
    value.get(KEY).is_some()
}

/// The error that stands under `_hecate`, if one does; anything else stays.
pub(crate) fn take_error(value: &mut Value) -> Option<CapabilityError> {
    value.get(KEY)?.get("error")?;
    take_refusal(value)
}

/// What a provider said in place of a reply; what else it put under `_hecate` goes, too.
pub(crate) fn take_refusal(reply: &mut Value) -> Option<CapabilityError> {
    let told = take(reply)?;
    let told = told.get("error")?;
    let text = |field| match told.get(field) {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let code = text("code").filter(|code| is_code(code)).map(|code| ErrorCode::from_wire(code.to_owned()));
    let Some(code) = code else {
        let found = format!(
            "the provider refused with no code that can be read: {:?}",
            text("code").map(|code| cut(code, MAX_CODE))
        );
        return Some(CapabilityError::internal(found));
    };
    let message = cut(text("message").unwrap_or_default(), MAX_MESSAGE).to_owned();
    let mut error = CapabilityError::new(code, message);
    if let Some(details) = told.get("details") {
        error = error.with_details(details::to_json(details));
    }
    if told.get("retryable") == Some(&Value::Int(1)) {
        let after = number(told, "retry_after_ms", 0, i64::MAX.into()).ok().flatten();
        error = error.retryable(after.and_then(|time| u64::try_from(time).ok()).map(Duration::from_millis));
    }
    Some(error)
}

/// What a caller that knows nothing of `_hecate` gets: `<code>: <message>`, as much as there is room for.
pub(crate) fn text(error: &CapabilityError) -> String {
    let mut text = error.to_string();
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

/// What stands under `_hecate`, taken out.
pub(crate) fn take(payload: &mut Value) -> Option<Value> {
    let Value::Map(fields) = payload else {
        return None;
    };
    let at = fields.iter().position(|(key, _)| matches!(key, Value::Text(key) if key == KEY))?;
    Some(fields.swap_remove(at).1)
}

fn is_code(code: &str) -> bool {
    code.len() <= MAX_CODE
        && code.starts_with(|c: char| c.is_ascii_lowercase())
        && code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn number(told: &Value, field: &'static str, least: i128, most: i128) -> Result<Option<i128>, ValueError> {
    match told.get(field) {
        None => Ok(None),
        Some(Value::Int(number)) if (least..=most).contains(number) => Ok(Some(*number)),
        Some(_) => Err(wrong(field, &format!("is no integer from {least} to {most}"))),
    }
}

fn wrong(field: &str, what: &str) -> ValueError {
    ValueError::from(Reason::Mismatch(what.to_owned())).in_field(field)
}

fn entry(key: &str, value: Value) -> (Value, Value) {
    (Value::text(key), value)
}

fn milliseconds(time: u64) -> Value {
    Value::Int(time.min(i64::MAX.unsigned_abs()).into())
}
