//! The details of a refusal, which are JSON, as a value and back.
//!
//! A refusal must reach its caller: what of its details cannot be carried is left out and named, where a
//! reply would be refused as a whole.

use serde_json::{Map, Number};

use super::{Value, entry};

/// The key under which the paths of what was left out stand.
const LEFT_OUT: &str = "_left_out";

/// Around details are those of the refusal: the reply, `_hecate` and `error`.
const MAX_DEPTH: usize = 32;
const MAX_ITEMS: usize = 4096;
const MAX_BYTES: usize = 64 * 1024;
/// How many are named.
const MAX_NAMED: usize = 16;

/// The details as far as they can be carried; booleans are 1 and 0.
pub(super) fn to_value(details: &serde_json::Value) -> Value {
    let mut writing = Writing { items: MAX_ITEMS, bytes: MAX_BYTES, left_out: Vec::new() };
    let value = writing.value(details, "", 0).unwrap_or(Value::Null);
    if writing.left_out.is_empty() {
        return value;
    }
    let named = entry(LEFT_OUT, Value::List(writing.left_out.into_iter().map(Value::Text).collect()));
    match value {
        Value::Map(mut fields) => {
            fields.retain(|(key, _)| *key != named.0);
            fields.push(named);
            Value::Map(fields)
        }
        Value::Null => Value::Map(vec![named]),
        other => Value::Map(vec![entry("details", other), named]),
    }
}

struct Writing {
    items: usize,
    bytes: usize,
    left_out: Vec<String>,
}

impl Writing {
    fn value(&mut self, json: &serde_json::Value, path: &str, depth: usize) -> Option<Value> {
        let written = if self.has_room(json) && depth < MAX_DEPTH { self.written(json, path, depth) } else { None };
        if written.is_none() {
            self.leave_out(path);
        }
        written
    }

    fn leave_out(&mut self, path: &str) {
        if self.left_out.len() < MAX_NAMED {
            self.left_out.push(super::cut(path, 256).to_owned());
        }
    }

    fn has_room(&mut self, json: &serde_json::Value) -> bool {
        let bytes = 9 + json.as_str().map_or(0, str::len);
        let has_room = self.items > 0 && self.bytes >= bytes;
        // What does not fit may leave a null in its place.
        self.items = self.items.saturating_sub(1);
        if has_room {
            self.bytes -= bytes;
        }
        has_room
    }

    fn written(&mut self, json: &serde_json::Value, path: &str, depth: usize) -> Option<Value> {
        Some(match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Int((*value).into()),
            serde_json::Value::Number(number) => of_number(number)?,
            serde_json::Value::String(text) => Value::text(text),
            serde_json::Value::Array(items) => {
                let mut written = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    if self.items == 0 {
                        self.leave_out(&path);
                        break;
                    }
                    // The others must stay where they are.
                    written.push(self.value(item, &path, depth + 1).unwrap_or(Value::Null));
                }
                Value::List(written)
            }
            serde_json::Value::Object(fields) => {
                let mut written = Vec::new();
                for (key, field) in fields {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    self.bytes = self.bytes.saturating_sub(key.len());
                    written.extend(self.value(field, &path, depth + 1).map(|field| entry(key, field)));
                }
                Value::Map(written)
            }
        })
    }
}

/// Numbers above those of an `i64` cannot be carried.
fn of_number(number: &Number) -> Option<Value> {
    match number.as_i64() {
        Some(integer) => Some(Value::Int(integer.into())),
        None if number.is_u64() => None,
        None => number.as_f64().filter(|number| number.is_finite()).map(Value::Float),
    }
}

/// The details that a peer gave: their depth is that of what the wire carries. Bytes have no form in JSON.
pub(super) fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Int(number) => i64::try_from(*number).map_or(serde_json::Value::Null, Into::into),
        Value::Bytes(_) | Value::Null => serde_json::Value::Null,
        Value::Text(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(fields) => {
            let fields = fields.iter().filter_map(|(key, value)| match key {
                Value::Text(key) => Some((key.clone(), to_json(value))),
                Value::Int(key) => Some((key.to_string(), to_json(value))),
                _ => None,
            });
            fields.collect::<Map<_, _>>().into()
        }
        Value::Float(number) => (*number).into(),
    }
}
