//! What one event says, and under which names it says it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Debug;

use tracing::field::{Field, Visit};

use super::chain;
use super::text::bounded;
use crate::mask::{MASK, is_secret};

/// The names that every line has; what an author calls so becomes `field.<name>`.
const FIXED: [&str; 8] =
    ["timestamp", "level", "message", "target", "service", "version", "instance", "omitted_fields"];

/// Names that come first, in this order, wherever they are.
const LEADING: [&str; 13] = [
    "trace_id",
    "span_id",
    "capability",
    "capability_version",
    "call_id",
    "caller",
    "peer",
    "duration_ms",
    "error",
    "error.code",
    "error.chain",
    "suppressed",
    "at",
];

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
}

/// One event, or the fields of one span.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) message: String,
    pub(super) fields: Vec<(Cow<'static, str>, Value)>,
}

impl Record {
    pub(super) fn new(message: &str) -> Self {
        Self { message: message.to_owned(), fields: Vec::new() }
    }

    /// Adds what a span that is around the event says, unless something nearer says it.
    pub(super) fn inherit(&mut self, outer: &Record) {
        for (name, value) in &outer.fields {
            if !self.has(name) {
                self.fields.push((name.clone(), value.clone()));
            }
        }
    }

    /// Takes what a span says later of itself.
    pub(super) fn update(&mut self, newer: Record) {
        for (name, value) in newer.fields {
            match self.fields.iter_mut().find(|(present, _)| *present == name) {
                Some((_, old)) => *old = value,
                None => self.fields.push((name, value)),
            }
        }
    }

    /// Puts the fields in order.
    pub(super) fn arrange(&mut self) {
        let place = |name: &str| LEADING.iter().position(|leading| *leading == name).unwrap_or(LEADING.len());
        self.fields.sort_by_key(|(name, _)| place(name));
    }

    pub(super) fn put(&mut self, name: &'static str, value: Value) {
        let name = name.strip_prefix("r#").unwrap_or(name);
        let value = if is_secret(name) { Value::Text(MASK.to_owned()) } else { value };
        let mut name = Cow::Borrowed(name);
        while FIXED.contains(&&*name) || self.has(&name) {
            name = Cow::Owned(format!("field.{name}"));
        }
        self.fields.push((name, value));
    }

    /// Puts a field unless it is there.
    pub(super) fn put_new(&mut self, name: &'static str, value: impl FnOnce() -> Value) {
        if !self.has(name) {
            self.fields.push((Cow::Borrowed(name), value()));
        }
    }

    /// A secret is not even formatted.
    fn put_text(&mut self, field: &Field, value: impl FnOnce() -> String) {
        if field.name() == "message" && self.message.is_empty() {
            self.message = value();
        } else if is_secret(field.name()) {
            self.put(field.name(), Value::Text(MASK.to_owned()));
        } else {
            self.put(field.name(), Value::Text(value()));
        }
    }

    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(present, _)| present == name)
    }
}

impl Visit for Record {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), Value::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), Value::Unsigned(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        match i64::try_from(value) {
            Ok(value) => self.record_i64(field, value),
            Err(_) => self.put(field.name(), Value::Text(value.to_string())),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match u64::try_from(value) {
            Ok(value) => self.record_u64(field, value),
            Err(_) => self.put(field.name(), Value::Text(value.to_string())),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), Value::Float(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, || bounded(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put_text(field, || bounded(chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put_text(field, || bounded(format_args!("{value:?}")));
    }
}
