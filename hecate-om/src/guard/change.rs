//! Other limits for a running service: what somebody asks for, held against what was declared.
//!
//! What is declared is the most that ever holds. It may be lowered and raised again, and never to nothing.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::limits::{LONGEST_PERIOD, SHORTEST_PERIOD};
use super::{Limits, Rate};
use crate::nearest::nearest;

/// The limits that are to be others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) payload: Option<usize>,
    pub(crate) reply: Option<usize>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) per_caller: Option<Rate>,
    pub(crate) total: Option<Rate>,
}

/// How each limit is called on the wire.
pub(crate) const PAYLOAD: &str = "payload_bytes";
pub(crate) const REPLY: &str = "reply_bytes";
pub(crate) const CONCURRENCY: &str = "concurrency";
pub(crate) const PER_CALLER: &str = "per_caller";
pub(crate) const TOTAL: &str = "total";
pub(crate) const NAMES: [&str; 5] = [PAYLOAD, REPLY, CONCURRENCY, PER_CALLER, TOTAL];

/// How many unknown fields are told.
const MOST_TOLD: usize = 8;

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) field: String,
    pub(crate) message: String,
    /// The least and the most that it may be.
    bounds: Option<(u64, u64)>,
}

impl Wrong {
    pub(crate) fn new(field: &str, message: impl Into<String>) -> Self {
        Self { field: shown(field), message: message.into(), bounds: None }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut told = json!({"field": self.field, "message": self.message});
        if let Some((least, most)) = self.bounds {
            (told["least"], told["most"]) = (least.into(), most.into());
        }
        told
    }
}

impl Change {
    /// What `fields` ask for, besides `name` and `version`; `declared` where the capability is known.
    pub(crate) fn read(fields: &Map<String, Value>, declared: Option<&Limits>, wrong: &mut Vec<Wrong>) -> Self {
        let known = |field: &str| NAMES.contains(&field) || matches!(field, "name" | "version");
        for field in fields.keys().filter(|field| !known(field)).take(MOST_TOLD) {
            let message = match nearest(field, NAMES.into_iter()).first() {
                Some(near) => format!("is no limit; did you mean `{near}`?"),
                None => format!("is no limit; there are `{}`", NAMES.join("`, `")),
            };
            wrong.push(Wrong::new(field, message));
        }
        let most =
            declared.copied().unwrap_or(Limits::new(usize::MAX, usize::MAX, usize::MAX, (u32::MAX, 1), (u32::MAX, 1)));
        let mut size = |name, most: usize| {
            let most = u64::try_from(most).unwrap_or(u64::MAX);
            let number = number(name, fields.get(name)?, 1, most, wrong)?;
            usize::try_from(number).ok()
        };
        let (payload, reply) = (size(PAYLOAD, most.payload), size(REPLY, most.reply));
        let concurrency = size(CONCURRENCY, most.concurrency);
        let mut rate = |name, most| rate(name, fields.get(name)?, most, wrong);
        let (per_caller, total) = (rate(PER_CALLER, most.per_caller), rate(TOTAL, most.total));
        Self { payload, reply, concurrency, per_caller, total }
    }

    /// What holds once it is made.
    pub(crate) fn of(self, now: Limits) -> Limits {
        Limits {
            payload: self.payload.unwrap_or(now.payload),
            reply: self.reply.unwrap_or(now.reply),
            concurrency: self.concurrency.unwrap_or(now.concurrency),
            per_caller: self.per_caller.unwrap_or(now.per_caller),
            total: self.total.unwrap_or(now.total),
        }
    }

    /// Each limit that is named, as it is in `limits`.
    pub(crate) fn tell(&self, limits: &Limits) -> String {
        let named = [
            self.payload.map(|_| format!("{PAYLOAD} {}", limits.payload)),
            self.reply.map(|_| format!("{REPLY} {}", limits.reply)),
            self.concurrency.map(|_| format!("{CONCURRENCY} {}", limits.concurrency)),
            self.per_caller.map(|_| format!("{PER_CALLER} {}", limits.per_caller)),
            self.total.map(|_| format!("{TOTAL} {}", limits.total)),
        ];
        named.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// What is wrong with limits that would hold together.
pub(crate) fn check_together(next: &Limits) -> Option<Wrong> {
    let (own, total) = (next.per_caller, next.total);
    let is_below = total.calls < own.calls || is_faster(own, total);
    is_below.then(|| Wrong::new(TOTAL, format!("would be {total} for all, and {PER_CALLER} {own} for one; lower both")))
}

/// Whether `rate` is more often than `most`.
fn is_faster(rate: Rate, most: Rate) -> bool {
    u128::from(rate.calls) * most.period.as_nanos() > u128::from(most.calls) * rate.period.as_nanos()
}

fn number(field: &str, value: &Value, least: u64, most: u64, wrong: &mut Vec<Wrong>) -> Option<u64> {
    let number = value.as_u64().filter(|number| (least..=most).contains(number));
    if number.is_none() {
        let message = format!("takes a whole number from {least} to {most}, found {}", found(value));
        wrong.push(Wrong { bounds: Some((least, most)), ..Wrong::new(field, message) });
    }
    number
}

fn rate(name: &str, value: &Value, most: Rate, wrong: &mut Vec<Wrong>) -> Option<Rate> {
    let Some(fields) = value.as_object() else {
        let message = format!("takes {{\"calls\": .., \"period_ms\": ..}}, found {}", found(value));
        wrong.push(Wrong::new(name, message));
        return None;
    };
    for field in fields.keys().filter(|field| !matches!(field.as_str(), "calls" | "period_ms")).take(MOST_TOLD) {
        wrong.push(Wrong::new(&format!("{name}.{field}"), "is no part of a rate; those are `calls` and `period_ms`"));
    }
    let nothing = Value::Null;
    let mut part = |part: &str, least, most| {
        number(&format!("{name}.{part}"), fields.get(part).unwrap_or(&nothing), least, most, wrong)
    };
    let (shortest, longest) = (milliseconds(SHORTEST_PERIOD), milliseconds(LONGEST_PERIOD));
    let calls = part("calls", 1, most.calls.into());
    let period = part("period_ms", shortest, longest);
    let calls = calls.and_then(|calls| u32::try_from(calls).ok())?;
    let rate = Rate { calls, period: Duration::from_millis(period?) };
    if is_faster(rate, most) {
        let least = (u128::from(rate.calls) * most.period.as_nanos()).div_ceil(u128::from(most.calls) * 1_000_000);
        let least = u64::try_from(least).unwrap_or(u64::MAX);
        let message = format!("{rate} is more often than the {most} that are declared; {calls} take {least} ms");
        let bounds = Some((least, longest));
        wrong.push(Wrong { bounds, ..Wrong::new(&format!("{name}.period_ms"), message) });
        return None;
    }
    Some(rate)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A value that a caller sent, as it may be told.
fn found(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Number(number) => format!("`{number}`"),
        Value::String(text) => format!("`\"{}\"`", shown(text)),
        Value::Bool(truth) => format!("`{truth}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A text that a caller chose: short, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

/// Limits as they are told to callers.
pub(crate) fn to_json(limits: &Limits) -> Value {
    let rate = |rate: Rate| json!({"calls": rate.calls, "period_ms": milliseconds(rate.period)});
    json!({
        PAYLOAD: limits.payload,
        REPLY: limits.reply,
        CONCURRENCY: limits.concurrency,
        PER_CALLER: rate(limits.per_caller),
        TOTAL: rate(limits.total),
    })
}

#[cfg(test)]
mod tests;
