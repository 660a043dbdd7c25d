//! The schema of one message, with the definitions that it refers to.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value};

const DEFINITIONS: &str = "$defs";

/// The schema of a request or a reply. Its named types stand in its own `$defs`.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct MessageSchema(Schema);

impl MessageSchema {
    /// What may be sent: the schema of what deserializing takes.
    pub(super) fn request(make: fn(&mut SchemaGenerator) -> Schema) -> Self {
        Self::new(SchemaSettings::draft2020_12().for_deserialize(), make)
    }

    /// What may come back: the schema of what serializing gives.
    pub(super) fn reply(make: fn(&mut SchemaGenerator) -> Schema) -> Self {
        Self::new(SchemaSettings::draft2020_12().for_serialize(), make)
    }

    fn new(settings: SchemaSettings, make: fn(&mut SchemaGenerator) -> Schema) -> Self {
        let mut generator = settings.into_generator();
        let mut schema = make(&mut generator);
        let definitions = generator.take_definitions(true);
        if !definitions.is_empty() {
            schema.insert(DEFINITIONS.to_owned(), definitions.into());
        }
        Self(schema)
    }

    /// The schema itself, with its definitions.
    pub(super) fn root(&self) -> &Value {
        self.0.as_value()
    }

    /// The named types, by the names that schemars chose.
    pub(super) fn definitions(&self) -> impl Iterator<Item = (&str, &Value)> {
        let definitions = self.0.get(DEFINITIONS).and_then(Value::as_object);
        definitions.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
    }

    /// The named type that this message is, unless its schema stands inline.
    pub(super) fn root_definition(&self) -> Option<&str> {
        let keywords = self.0.as_object()?;
        if keywords.keys().any(|key| key != "$ref" && key != DEFINITIONS) {
            return None;
        }
        match self.definition_at(keywords.get("$ref")?.as_str()?) {
            Some((name, "")) => Some(name),
            _ => None,
        }
    }

    /// The schema without its definitions.
    pub(super) fn root_alone(&self) -> Value {
        let mut root = self.0.clone();
        root.remove(DEFINITIONS);
        root.to_value()
    }

    /// What a `$ref` in this message points to; nothing when it points out of the message.
    pub(super) fn resolve(&self, reference: &str) -> Option<&Value> {
        if !reference.starts_with('#') {
            return None;
        }
        self.0.pointer(reference)
    }

    /// The definition that a `$ref` points into, and the rest of the pointer from there.
    pub(super) fn definition_at<'a>(&self, reference: &'a str) -> Option<(&str, &'a str)> {
        self.resolve(reference)?;
        let name = reference.strip_prefix("#/$defs/")?;
        let end = reference.len() - name.len() + name.find('/').unwrap_or(name.len());
        // Names are encoded in references, and schemars keeps the decoder for itself: compare places.
        let definition = self.resolve(&reference[..end])?;
        let (name, _) = self.definitions().find(|(_, schema)| std::ptr::eq(*schema, definition))?;
        Some((name, &reference[end..]))
    }

    /// Every `$ref` in this message.
    pub(super) fn references(&self) -> Vec<String> {
        references_in(self.root())
    }
}

/// Every `$ref` in a schema; one that stands in data, as in a `default`, is none.
pub(super) fn references_in(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    each_schema(&mut schema.clone(), |keywords| {
        if let Some(Value::String(reference)) = keywords.get("$ref") {
            found.push(reference.clone());
        }
    });
    found
}

/// Shows every schema object in `schema`, itself first.
pub(super) fn each_schema(schema: &mut Value, visit: impl FnMut(&mut Map<String, Value>)) {
    if let Ok(schema) = <&mut Schema>::try_from(schema) {
        EachSchema(visit).transform(schema);
    }
}

struct EachSchema<F>(F);

impl<F: FnMut(&mut Map<String, Value>)> Transform for EachSchema<F> {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(keywords) = schema.as_object_mut() {
            (self.0)(keywords);
        }
        transform_subschemas(self, schema);
        // Keywords of draft 2020-12 that schemars passes over.
        for keyword in ["unevaluatedItems", "unevaluatedProperties", "contentSchema"] {
            self.transform_value(schema.get_mut(keyword));
        }
        for schema in schema.get_mut("dependentSchemas").and_then(Value::as_object_mut).into_iter().flatten() {
            self.transform_value(Some(schema.1));
        }
    }
}

impl<F: FnMut(&mut Map<String, Value>)> EachSchema<F> {
    fn transform_value(&mut self, value: Option<&mut Value>) {
        if let Some(Ok(schema)) = value.map(<&mut Schema>::try_from) {
            self.transform(schema);
        }
    }
}

#[cfg(test)]
mod tests {
    use schemars::json_schema;

    use super::*;

    fn odd_name(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "$ref": "#/$defs/a~1b%20%C3%9F",
            "$defs": {"a/b ß": {"properties": {"deep": {"type": "string"}}}},
        })
    }

    #[test]
    fn references_are_followed_through_both_encodings() {
        let message = MessageSchema::request(odd_name);
        assert_eq!(message.root_definition(), Some("a/b ß"));
        let deep = "#/$defs/a~1b%20%C3%9F/properties/deep";
        assert_eq!(message.definition_at(deep), Some(("a/b ß", "/properties/deep")));
        assert_eq!(message.resolve(deep).unwrap()["type"], "string");
        for dangling in ["#/$defs/a", "#/$defs/a~1b%20%C3%9F/properties/shallow", "https://example.org/a", "a"] {
            assert_eq!(message.resolve(dangling), None, "{dangling}");
            assert_eq!(message.definition_at(dangling), None, "{dangling}");
        }
    }

    #[test]
    fn references_are_found_in_schemas_and_not_in_data() {
        let schema = serde_json::json!({
            "$ref": "#/1",
            "properties": {"$ref": {"$ref": "#/2"}, "other": {"default": {"$ref": "data"}, "const": {"$ref": "data"}}},
            "unevaluatedProperties": {"$ref": "#/3"},
            "dependentSchemas": {"a": {"$ref": "#/4"}},
            "anyOf": [{"items": {"$ref": "#/5"}}, true],
        });
        let mut found = references_in(&schema);
        found.sort();
        assert_eq!(found, ["#/1", "#/2", "#/3", "#/4", "#/5"]);
    }
}
