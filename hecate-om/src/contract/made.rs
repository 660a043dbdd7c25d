//! Messages made by chance from their schema, to try what a single sample does not.
//!
//! What a schema does not tell, as `sample` says, is not known here either: such a message is none, and its
//! type refuses it.

use serde_json::{Map, Value, json};

use super::message::MessageSchema;
use super::sample;
use crate::random;

/// Beyond as many schemas in each other, values are as small as can be.
const MAX_DEPTH: usize = 12;
/// How many items and entries there are where the schema does not say.
const MOST_ITEMS: usize = 4;

type Keywords = Map<String, Value>;

/// Numbers that look as if nobody had chosen them, and are the same for the same seed (SplitMix64).
pub(crate) struct Chance(u64);

impl Chance {
    /// That of `HECATE_TEST_SEED`, else another one each time; printed, so that a test that fails tells it.
    pub(crate) fn of_test() -> Self {
        let given = std::env::var("HECATE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(random::number);
        println!("HECATE_TEST_SEED={seed}");
        Self(seed)
    }

    #[cfg(test)]
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % end.max(1) as u64).unwrap_or(0)
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }
}

impl MessageSchema {
    /// A message that the schema allows; nothing where none was found.
    pub(crate) fn made(&self, chance: &mut Chance) -> Option<Value> {
        Maker { message: self, chance, depth: 0 }.value(self.root())
    }

    /// Whether it has lists whose order means nothing.
    pub(crate) fn has_sets(&self) -> bool {
        self.root().to_string().contains("\"uniqueItems\"")
    }
}

struct Maker<'a, 'c> {
    message: &'a MessageSchema,
    chance: &'c mut Chance,
    depth: usize,
}

impl<'a> Maker<'a, '_> {
    fn value(&mut self, schema: &'a Value) -> Option<Value> {
        let Value::Object(keywords) = schema else {
            return (schema == &Value::Bool(true)).then(|| self.anything());
        };
        if self.depth == MAX_DEPTH {
            return sample::of_part(self.message, schema);
        }
        self.depth += 1;
        let value = self.described(keywords);
        self.depth -= 1;
        value
    }

    fn described(&mut self, keywords: &'a Keywords) -> Option<Value> {
        if let Some(value) = keywords.get("const") {
            return Some(value.clone());
        }
        if let Some(values) = keywords.get("enum").and_then(Value::as_array) {
            return self.chance.one_of(values).cloned();
        }
        // All of these hold for the same value: what they say of its fields adds up.
        let mut parts = Vec::new();
        if let Some(Value::String(reference)) = keywords.get("$ref") {
            parts.push(self.value(self.message.resolve(reference)?)?);
        }
        for branches in ["oneOf", "anyOf"].into_iter().filter_map(|key| keywords.get(key)?.as_array()) {
            parts.push(self.chance.one_of(branches).and_then(|branch| self.value(branch))?);
        }
        for part in keywords.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            parts.push(self.value(part)?);
        }
        match self.kind(keywords) {
            Some("object") => parts.push(self.object(keywords)?),
            _ if !parts.is_empty() => {}
            Some("array") => parts.push(self.array(keywords)?),
            Some(kind) => parts.push(self.scalar(kind, keywords)),
            None => parts.push(self.anything()),
        }
        parts.into_iter().reduce(sample::joined)
    }

    fn kind(&mut self, keywords: &'a Keywords) -> Option<&'a str> {
        match keywords.get("type") {
            Some(Value::Array(kinds)) => self.chance.one_of(kinds)?.as_str(),
            _ => sample::kind(keywords),
        }
    }

    fn object(&mut self, keywords: &'a Keywords) -> Option<Value> {
        let mut fields = Map::new();
        let required: Vec<_> = keywords
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let properties = keywords.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            if required.contains(&name.as_str()) || self.chance.below(2) == 0 {
                fields.insert(name.clone(), self.value(schema)?);
            }
        }
        if let Some(schema) = keywords.get("additionalProperties").filter(|schema| schema.is_object()) {
            for _ in 0..self.chance.below(MOST_ITEMS + 1) {
                fields.insert(self.text(0, 8), self.value(schema)?);
            }
        }
        for (pattern, schema) in keywords.get("patternProperties").and_then(Value::as_object).into_iter().flatten() {
            // Keys that are numbers; other patterns nobody here can read.
            for _ in 0..if pattern.contains("\\d") { self.chance.below(MOST_ITEMS + 1) } else { 0 } {
                fields.insert(self.chance.below(256).to_string(), self.value(schema)?);
            }
        }
        Some(Value::Object(fields))
    }

    fn array(&mut self, keywords: &'a Keywords) -> Option<Value> {
        let mut items = Vec::new();
        for schema in keywords.get("prefixItems").and_then(Value::as_array).into_iter().flatten() {
            items.push(self.value(schema)?);
        }
        let bound = |key: &str| keywords.get(key).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
        let least = bound("minItems").unwrap_or(0);
        let most = bound("maxItems").unwrap_or(least + MOST_ITEMS).max(least);
        if let Some(schema) = keywords.get("items").filter(|schema| schema.as_bool() != Some(false)) {
            let wanted = least + self.chance.below(most - least + 1);
            let is_set = keywords.get("uniqueItems") == Some(&Value::Bool(true));
            for _ in items.len()..wanted {
                let item = self.value(schema)?;
                if !is_set || !items.contains(&item) {
                    items.push(item);
                }
            }
        }
        Some(Value::Array(items))
    }

    fn scalar(&mut self, kind: &str, keywords: &Keywords) -> Value {
        match kind {
            "null" => Value::Null,
            "boolean" => json!(self.chance.below(2) == 0),
            "integer" => json!(self.integer(keywords)),
            "number" => json!(self.fraction(keywords)),
            _ if keywords.contains_key("format") || keywords.contains_key("pattern") => json!(sample::string(keywords)),
            _ => {
                let bound = |key: &str, default: usize| {
                    keywords
                        .get(key)
                        .and_then(Value::as_u64)
                        .map_or(default, |bound| usize::try_from(bound).unwrap_or(default))
                };
                let least = bound("minLength", 0);
                json!(self.text(least, bound("maxLength", least + 40)))
            }
        }
    }

    /// Of any size that the schema allows, borders more often than chance would have them. What does not fit
    /// into an `i64` the mesh does not carry.
    fn integer(&mut self, keywords: &Keywords) -> i64 {
        let (least, most) = match keywords.get("format").and_then(Value::as_str) {
            Some("int8") => (i8::MIN.into(), i8::MAX.into()),
            Some("int16") => (i16::MIN.into(), i16::MAX.into()),
            Some("int32") => (i32::MIN.into(), i32::MAX.into()),
            Some("uint8") => (0, u8::MAX.into()),
            Some("uint16") => (0, u16::MAX.into()),
            Some("uint32") => (0, u32::MAX.into()),
            Some("uint" | "uint64" | "uint128") => (0, i64::MAX),
            _ => (i64::MIN, i64::MAX),
        };
        let bound = |key: &str| keywords.get(key).and_then(Value::as_i64);
        let least = bound("minimum").or_else(|| Some(bound("exclusiveMinimum")?.saturating_add(1))).unwrap_or(least);
        let most = bound("maximum").or_else(|| Some(bound("exclusiveMaximum")?.saturating_sub(1))).unwrap_or(most);
        let any = self.chance.number().cast_signed() >> self.chance.below(64);
        match self.chance.below(4) {
            0 => least,
            1 => most,
            _ => any.clamp(least, most.max(least)),
        }
    }

    fn fraction(&mut self, keywords: &Keywords) -> f64 {
        let bound = |key: &str| keywords.get(key).and_then(Value::as_f64);
        let is_bounded =
            ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"].into_iter().any(|key| bound(key).is_some());
        if is_bounded {
            return sample::number(keywords);
        }
        let bits = self.chance.number();
        let any = match keywords.get("format").and_then(Value::as_str) {
            Some("float") => f64::from(f32::from_bits(bits as u32)),
            _ => f64::from_bits(bits),
        };
        let special = [0.0, -0.0, 1.0, -1.0, 0.1, f64::from(f32::MAX), f64::from(f32::MIN_POSITIVE)];
        match self.chance.below(4) {
            0 => special[self.chance.below(special.len())],
            _ if any.is_finite() => any,
            _ => 0.5,
        }
    }

    fn text(&mut self, least: usize, most: usize) -> String {
        const LETTERS: [char; 14] =
            ['a', 'Z', '_', '\0', '"', '\\', '\n', 'ß', '\u{301}', '水', '\u{feff}', '🦜', '\u{202e}', '\u{10ffff}'];
        let length = least + self.chance.below(most.saturating_sub(least).saturating_add(1)).min(300);
        (0..length).map(|_| LETTERS[self.chance.below(LETTERS.len())]).collect()
    }

    /// For what takes any value: nothing that the mesh would change.
    fn anything(&mut self) -> Value {
        match self.chance.below(5) {
            0 => Value::Null,
            1 => json!(self.chance.number().cast_signed()),
            2 => json!(self.text(0, 8)),
            3 => json!([1, null, "x"]),
            _ => json!({"a": 0.5}),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::num::NonZeroU8;

    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;
    use crate::capability::json::schema;

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Everything {
        text: String,
        letter: char,
        small: NonZeroU8,
        signed: i32,
        large: u64,
        ratio: f32,
        flag: bool,
        list: Vec<String>,
        pair: (u8, String),
        block: [u16; 3],
        map: BTreeMap<String, u8>,
        numbered: BTreeMap<u32, bool>,
        set: BTreeSet<u8>,
        tree: Tree,
        tones: Vec<Tone>,
        address: std::net::Ipv6Addr,
        unit: (),
        optional: Option<String>,
        anything: Value,
        #[serde(flatten)]
        choice: Tagged,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    #[allow(dead_code)]
    enum Tagged {
        Named { name: String },
        Empty,
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    enum Tree {
        Fork(Box<Tree>, Box<Tree>),
        Leaf { value: i8 },
    }

    #[derive(Deserialize, JsonSchema)]
    enum Tone {
        Soft,
        Loud,
    }

    #[test]
    fn a_type_reads_what_is_made_of_its_schema() {
        let message = MessageSchema::request(schema::<Everything>);
        for seed in 0..500 {
            let made = message.made(&mut Chance::of(seed)).unwrap();
            serde_json::from_value::<Everything>(made.clone())
                .map_err(|error| format!("{seed}: {made}: {error}"))
                .unwrap();
            assert_eq!(message.made(&mut Chance::of(seed)), Some(made), "{seed}");
        }
        assert!(message.has_sets());
    }
}
