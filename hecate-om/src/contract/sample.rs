//! An example of a message, made from its schema: something to paste that calls the service.

use serde_json::{Map, Value, json};

use super::message::MessageSchema;

/// How many references are followed into each other.
const MAX_DEPTH: usize = 16;
/// How many items a sample of an array has at most, whatever its schema asks for.
const MAX_ITEMS: u64 = 64;

type Keywords = Map<String, Value>;

/// A value that the schema allows, as small as can be; nothing where none was found.
///
/// What the schema does not tell (patterns, conditions) the sample does not know either.
pub(super) fn of(message: &MessageSchema) -> Option<Value> {
    Sampler { message, following: Vec::new() }.value(message.root())
}

/// The same for a part of a message.
pub(super) fn of_part(message: &MessageSchema, schema: &Value) -> Option<Value> {
    Sampler { message, following: Vec::new() }.value(schema)
}

struct Sampler<'a> {
    message: &'a MessageSchema,
    /// The references on the way to here. The smallest value of a recursive type never meets one of
    /// them again, so a branch that does is no use.
    following: Vec<&'a str>,
}

impl<'a> Sampler<'a> {
    fn value(&mut self, schema: &'a Value) -> Option<Value> {
        let Value::Object(keywords) = schema else {
            return (schema == &Value::Bool(true)).then(|| json!("hello"));
        };
        if let Some(given) = given(keywords) {
            return Some(given.clone());
        }
        // All of these hold for the same value: what they say of its fields adds up.
        let mut parts = Vec::new();
        if let Some(Value::String(reference)) = keywords.get("$ref") {
            parts.push(self.follow(reference)?);
        }
        for branches in ["oneOf", "anyOf"].into_iter().filter_map(|key| keywords.get(key)?.as_array()) {
            parts.push(branches.iter().find_map(|branch| self.value(branch))?);
        }
        for part in keywords.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            parts.push(self.value(part)?);
        }
        match kind(keywords) {
            Some("object") => parts.push(self.object(keywords)?),
            Some("array") if parts.is_empty() => parts.push(self.array(keywords)?),
            kind if parts.is_empty() => parts.push(scalar(kind, keywords)),
            _ => {}
        }
        parts.into_iter().reduce(joined)
    }

    fn follow(&mut self, reference: &'a str) -> Option<Value> {
        if self.following.contains(&reference) || self.following.len() == MAX_DEPTH {
            return None;
        }
        let schema = self.message.resolve(reference)?;
        self.following.push(reference);
        let value = self.value(schema);
        self.following.pop();
        value
    }

    fn object(&mut self, keywords: &'a Keywords) -> Option<Value> {
        let mut fields = Map::new();
        let required = keywords.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            let value = match keywords.get("properties").and_then(|properties| properties.get(name)) {
                Some(schema) => self.value(schema)?,
                None => json!("hello"),
            };
            fields.insert(name.to_owned(), value);
        }
        Some(Value::Object(fields))
    }

    fn array(&mut self, keywords: &'a Keywords) -> Option<Value> {
        let mut items = Vec::new();
        for schema in keywords.get("prefixItems").and_then(Value::as_array).into_iter().flatten() {
            items.push(self.value(schema)?);
        }
        let wanted = keywords.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(MAX_ITEMS);
        if let Some(missing) = usize::try_from(wanted).ok().and_then(|wanted| wanted.checked_sub(items.len())) {
            let item = match keywords.get("items") {
                Some(schema) if missing > 0 => self.value(schema)?,
                _ => json!("hello"),
            };
            items.extend(std::iter::repeat_n(item, missing));
        }
        Some(Value::Array(items))
    }
}

/// A value that the schema spells out.
fn given(keywords: &Keywords) -> Option<&Value> {
    let first = |key: &str| keywords.get(key)?.as_array()?.first();
    first("examples").or_else(|| keywords.get("default")).or_else(|| keywords.get("const")).or_else(|| first("enum"))
}

/// The type that the sample takes: of several the first that is not `null`.
pub(super) fn kind(keywords: &Keywords) -> Option<&str> {
    match keywords.get("type") {
        Some(Value::String(kind)) => Some(kind),
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str);
            let first = kinds.clone().next();
            kinds.find(|kind| *kind != "null").or(first)
        }
        _ => (keywords.contains_key("properties") || keywords.contains_key("required")).then_some("object"),
    }
}

pub(super) fn joined(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Object(mut fields), Value::Object(more)) => {
            fields.extend(more);
            Value::Object(fields)
        }
        (first, _) => first,
    }
}

fn scalar(kind: Option<&str>, keywords: &Keywords) -> Value {
    match kind {
        Some("null") => Value::Null,
        Some("boolean") => json!(true),
        Some("integer") => json!(integer(keywords)),
        Some("number") => json!(number(keywords)),
        _ => json!(string(keywords)),
    }
}

fn integer(keywords: &Keywords) -> i64 {
    let bound = |key: &str| keywords.get(key).and_then(Value::as_i64);
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|bound| bound.saturating_add(1)));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|bound| bound.saturating_sub(1)));
    1.min(most.unwrap_or(i64::MAX)).max(least.unwrap_or(i64::MIN))
}

pub(super) fn number(keywords: &Keywords) -> f64 {
    const WANTED: f64 = 1.5;
    let bound = |key: &str| keywords.get(key).and_then(Value::as_f64);
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum"));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum"));
    match (least, most) {
        (Some(least), Some(most)) if WANTED <= least || WANTED >= most => f64::midpoint(least, most),
        (Some(least), None) if WANTED <= least => least + 1.0,
        (None, Some(most)) if WANTED >= most => most - 1.0,
        _ => WANTED,
    }
}

pub(super) fn string(keywords: &Keywords) -> String {
    let text = match keywords.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-01-01T12:00:00Z",
        Some("date") => "2026-01-01",
        Some("time") => "12:00:00Z",
        Some("duration") => "PT1S",
        Some("email") => "hello@example.org",
        Some("hostname") => "example.org",
        Some("uri" | "url") => "https://example.org/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        Some("ip" | "ipv4") => "127.0.0.1",
        Some("ipv6") => "::1",
        _ => "hello",
    };
    let bound = |key: &str| keywords.get(key).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
    let most = bound("maxLength").unwrap_or(usize::MAX);
    let least = bound("minLength").unwrap_or(0).max(text.len()).min(1024).min(most);
    text.chars().cycle().take(least).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::num::NonZeroU8;

    use schemars::JsonSchema;
    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::capability::json::schema;

    fn sample<T: JsonSchema + 'static>() -> Value {
        of(&MessageSchema::request(schema::<T>)).unwrap()
    }

    /// The promise of every sample: the type that the schema was made of reads it.
    fn read<T: JsonSchema + DeserializeOwned + 'static>() -> Value {
        let sample = sample::<T>();
        serde_json::from_value::<T>(sample.clone()).map_err(|error| format!("{sample}: {error}")).unwrap();
        sample
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Everything {
        text: String,
        letter: char,
        small: NonZeroU8,
        ratio: f32,
        flag: bool,
        list: Vec<String>,
        pair: (u8, String),
        block: [u16; 3],
        map: BTreeMap<String, u8>,
        set: BTreeSet<u8>,
        tree: Tree,
        shape: Shape,
        address: std::net::Ipv6Addr,
        unit: (),
        optional: Option<String>,
        #[serde(default)]
        defaulted: u8,
        #[serde(flatten)]
        flat: Flat,
        #[serde(flatten)]
        choice: Tagged,
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Flat {
        inner: u8,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    #[allow(dead_code)]
    enum Tagged {
        Named { name: String },
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    enum Tree {
        Fork(Box<Tree>, Box<Tree>),
        Leaf { value: u8 },
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    enum Shape {
        Round,
        Square { side: f64 },
    }

    #[test]
    fn a_type_can_read_its_own_sample() {
        let sample = read::<Everything>();
        assert_eq!(
            sample,
            json!({
                "text": "hello", "letter": "h", "small": 1, "ratio": 1.5, "flag": true, "list": [],
                "pair": [1, "hello"], "block": [1, 1, 1], "map": {}, "set": [], "tree": {"Leaf": {"value": 1}},
                "shape": "Round", "address": "::1", "unit": null, "inner": 1, "kind": "Named", "name": "hello",
            })
        );
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[schemars(example = Spoken { text: "good morning".to_owned(), volume: 11 })]
    struct Spoken {
        text: String,
        volume: u8,
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Bounded {
        #[schemars(range(min = 7, max = 9))]
        whole: u8,
        #[schemars(range(min = 2.0))]
        ratio: f64,
        #[schemars(length(min = 8))]
        long: String,
        #[schemars(length(min = 2))]
        list: Vec<u8>,
        #[schemars(extend("const" = "this"))]
        constant: String,
    }

    #[test]
    fn what_the_author_gave_is_taken_as_it_is() {
        assert_eq!(read::<Spoken>(), json!({"text": "good morning", "volume": 11}));
    }

    #[test]
    fn bounds_are_kept() {
        let bounded = read::<Bounded>();
        let expected = json!({"whole": 7, "ratio": 3.0, "long": "hellohel", "list": [1, 1], "constant": "this"});
        assert_eq!(bounded, expected);
    }

    #[test]
    fn a_type_without_a_finite_value_ends_without_a_sample() {
        #[derive(Deserialize, JsonSchema)]
        #[allow(dead_code)]
        struct Endless {
            next: Box<Endless>,
        }
        assert_eq!(of(&MessageSchema::request(schema::<Endless>)), None);
    }
}
