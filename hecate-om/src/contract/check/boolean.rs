//! Finds booleans that a message loses on the mesh, which has none and carries 0 and 1.
//!
//! A `bool` that is read directly turns them back. Where serde first keeps what came, to look at it before
//! it knows the type, it keeps a number, and then reads that or something else. The forms that tell of it
//! in a schema are those that schemars gives to an untagged enum, to a tag inside, to a tag beside a
//! content that comes first on the mesh, and to an enum or a map that is flattened.
//!
//! Two forms do not tell, and pass: a struct that is flattened is in the schema as if its fields were the
//! outer one's own, and a schema that allows any value says nothing of booleans. A test that calls the
//! capability with such a message finds the first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use super::super::message::MessageSchema;

/// Why a boolean is kept before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Kept {
    Untagged,
    TaggedInside,
    ContentFirst,
    Flattened,
}

impl Kept {
    pub(in super::super) fn remedy(self) -> &'static str {
        match self {
            Kept::Untagged => "remove `#[serde(untagged)]`",
            Kept::TaggedInside => "write `#[serde(tag = \"kind\", content = \"value\")]`",
            Kept::ContentFirst => {
                "give the tag the shorter name, as in `#[serde(tag = \"kind\", content = \"value\")]`"
            }
            Kept::Flattened => "remove `#[serde(flatten)]`",
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kept::Untagged => "in an untagged enum",
            Kept::TaggedInside => "beside the tag of an enum",
            Kept::ContentFirst => "in the content of an enum, which comes before its tag on the mesh",
            Kept::Flattened => "in what is flattened",
        })
    }
}

/// The booleans of a message that cannot be read back, by JSON pointer.
pub(super) fn lost(message: &MessageSchema) -> BTreeMap<String, Kept> {
    let mut walk = Walk { message, followed: BTreeSet::new(), lost: BTreeMap::new() };
    walk.schema(message.root(), "", None);
    walk.lost
}

struct Walk<'a> {
    message: &'a MessageSchema,
    followed: BTreeSet<(&'a str, Option<Kept>)>,
    lost: BTreeMap<String, Kept>,
}

impl<'a> Walk<'a> {
    fn schema(&mut self, schema: &'a Value, pointer: &str, kept: Option<Kept>) {
        let Value::Object(keywords) = schema else {
            return;
        };
        if let Some(kept) = kept.filter(|_| says_boolean(keywords)) {
            self.lost.entry(pointer.to_owned()).or_insert(kept);
        }
        if let Some(Value::String(reference)) = keywords.get("$ref")
            && self.followed.insert((reference, kept))
            && let Some(schema) = self.message.resolve(reference)
        {
            self.schema(schema, reference.trim_start_matches('#'), kept);
        }
        let has_fields = keywords.get("properties").and_then(Value::as_object).is_some_and(|fields| !fields.is_empty());
        self.values(keywords, pointer, kept, has_fields);
        self.branches(keywords, pointer, kept, has_fields);
    }

    /// What lists and maps hold.
    fn values(&mut self, keywords: &'a Map<String, Value>, pointer: &str, kept: Option<Kept>, has_fields: bool) {
        for key in ["properties", "patternProperties"] {
            for (name, schema) in keywords.get(key).and_then(Value::as_object).into_iter().flatten() {
                let name = name.replace('~', "~0").replace('/', "~1");
                self.schema(schema, &format!("{pointer}/{key}/{name}"), kept);
            }
        }
        for key in ["additionalProperties", "unevaluatedProperties"] {
            if let Some(schema) = keywords.get(key) {
                // Fields and others beside them: a map that is flattened into a struct.
                let kept =
                    if has_fields || key == "unevaluatedProperties" { kept.or(Some(Kept::Flattened)) } else { kept };
                self.schema(schema, &format!("{pointer}/{key}"), kept);
            }
        }
        if let Some(schema) = keywords.get("items") {
            self.schema(schema, &format!("{pointer}/items"), kept);
        }
        self.each(keywords, "prefixItems", pointer, kept);
    }

    /// What one of several schemas describes.
    fn branches(&mut self, keywords: &'a Map<String, Value>, pointer: &str, kept: Option<Kept>, has_fields: bool) {
        let among = |key: &str| keywords.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let one = if has_fields { Some(Kept::Flattened) } else { kept_by_tag(among("oneOf")) };
        self.each(keywords, "oneOf", pointer, kept.or(one));
        let any = match among("anyOf") {
            _ if has_fields => Some(Kept::Flattened),
            // An `Option`.
            [other, null] | [null, other] if is_null(null) && !is_null(other) => None,
            _ => Some(Kept::Untagged),
        };
        self.each(keywords, "anyOf", pointer, kept.or(any));
        for (index, part) in among("allOf").iter().enumerate() {
            // How schemars joins enums that are flattened into one struct.
            let is_choice = part
                .as_object()
                .is_some_and(|part| part.len() == 1 && (part.contains_key("oneOf") || part.contains_key("anyOf")));
            let flattened = Some(Kept::Flattened).filter(|_| is_choice);
            self.schema(part, &format!("{pointer}/allOf/{index}"), kept.or(flattened));
        }
    }

    fn each(&mut self, keywords: &'a Map<String, Value>, key: &str, pointer: &str, kept: Option<Kept>) {
        for (index, schema) in keywords.get(key).and_then(Value::as_array).into_iter().flatten().enumerate() {
            self.schema(schema, &format!("{pointer}/{key}/{index}"), kept);
        }
    }
}

fn says_boolean(keywords: &Map<String, Value>) -> bool {
    let is_boolean = |kind: &Value| kind == "boolean";
    match (keywords.get("type"), keywords.get("const"), keywords.get("enum")) {
        (Some(Value::Array(kinds)), _, _) => kinds.iter().any(is_boolean),
        (Some(kind), _, _) => is_boolean(kind),
        (None, Some(value), _) => value.is_boolean(),
        (None, None, Some(Value::Array(values))) => values.iter().any(Value::is_boolean),
        (None, None, _) => false,
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "null")
}

/// Whether serde keeps what the variants hold until it has found their tag.
fn kept_by_tag(variants: &[Value]) -> Option<Kept> {
    let (first, others) = variants.split_first()?;
    let tags = tags_of(first).filter(|tag| others.iter().all(|variant| tags_of(variant).any(|other| other == *tag)));
    let tag = tags.min()?;
    match content_beside(tag, variants) {
        // Keys travel in the order of their encodings: shorter ones first.
        Some(content) if (content.len(), content) < (tag.len(), tag) => Some(Kept::ContentFirst),
        // Or a single field beside a tag: nothing in the schema tells them apart.
        Some(_) => None,
        None => Some(Kept::TaggedInside),
    }
}

/// The fields of a variant that can only be one text.
fn tags_of(variant: &Value) -> impl Iterator<Item = &str> {
    let fields = variant.get("properties").and_then(Value::as_object).into_iter().flatten();
    fields.filter(|(_, field)| field.get("const").is_some_and(Value::is_string)).map(|(name, _)| name.as_str())
}

/// The only field that variants have beside their tag.
fn content_beside<'a>(tag: &str, variants: &'a [Value]) -> Option<&'a str> {
    let mut content = None;
    for variant in variants {
        let variant = variant.as_object()?;
        if ["$ref", "oneOf", "anyOf", "allOf", "unevaluatedProperties"].iter().any(|key| variant.contains_key(*key)) {
            return None;
        }
        let required = variant.get("required").and_then(Value::as_array);
        for name in variant.get("properties")?.as_object()?.keys().filter(|name| *name != tag) {
            let is_required = required.is_some_and(|required| required.iter().any(|required| required == name));
            if !is_required || content.is_some_and(|content| content != name) {
                return None;
            }
            content = Some(name.as_str());
        }
    }
    content
}

#[cfg(test)]
mod tests;
