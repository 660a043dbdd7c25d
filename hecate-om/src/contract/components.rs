//! Names for the types of all capabilities in one flat list, as OpenAPI wants them.
//!
//! Each message has `$defs` of its own; here they become `<capability>.v<n>.<Type>`, and every
//! reference is rewritten.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::CapabilityContract;
use super::message::{MessageSchema, each_schema, references_in};

/// The list while it is being made.
#[derive(Debug, Default)]
pub(super) struct Components {
    schemas: Map<String, Value>,
}

/// References to the messages of one capability.
#[derive(Debug)]
pub(super) struct Messages {
    pub(super) request: Value,
    pub(super) reply: Value,
}

/// The components of the definitions of one message.
type Names<'a> = BTreeMap<&'a str, String>;

impl Components {
    /// Adds a schema that belongs to no capability: its name has no dot, so it meets no other.
    pub(super) fn add(&mut self, name: &str, schema: Value) {
        self.schemas.insert(name.to_owned(), schema);
    }

    /// Adds the types of a capability.
    ///
    /// A type that request and reply describe alike is there once. One that they describe
    /// differently, since reading and writing it differ or since two types share a name, is there
    /// twice, the reply's with the suffix `.reply`.
    pub(super) fn add_messages(&mut self, capability: &CapabilityContract) -> Messages {
        let CapabilityContract { request, reply, .. } = capability;
        let prefix = format!("{}.v{}", capability.name, capability.version);
        let shared = shared_definitions(request, reply);

        let mut asked = Names::new();
        for (definition, _) in request.definitions() {
            asked.insert(definition, self.reserve(format!("{prefix}.{}", component_part(definition))));
        }
        let mut answered = Names::new();
        for (definition, _) in reply.definitions() {
            let name = match asked.get(definition) {
                Some(name) if shared.contains(definition) => name.clone(),
                Some(name) => self.reserve(format!("{name}.reply")),
                None => self.reserve(format!("{prefix}.{}", component_part(definition))),
            };
            answered.insert(definition, name);
        }
        Messages {
            request: self.add_message(request, &asked, format!("{prefix}.Request")),
            reply: self.add_message(reply, &answered, format!("{prefix}.Reply")),
        }
    }

    /// Adds the definitions of a message and, where it has no name, the message itself.
    fn add_message(&mut self, message: &MessageSchema, names: &Names<'_>, inline_name: String) -> Value {
        for (definition, schema) in message.definitions() {
            self.schemas.insert(names[definition].clone(), rewritten(message, schema.clone(), names));
        }
        let name = match message.root_definition() {
            Some(definition) => names[definition].clone(),
            None => {
                let name = self.reserve(inline_name);
                self.schemas.insert(name.clone(), rewritten(message, message.root_alone(), names));
                name
            }
        };
        json!({"$ref": reference(&name)})
    }

    /// Takes a name that is still free.
    fn reserve(&mut self, wanted: String) -> String {
        let numbered = (2_u64..).map(|number| format!("{wanted}{number}"));
        let mut candidates = std::iter::once(wanted.clone()).chain(numbered);
        let free = candidates.find(|name| !self.schemas.contains_key(name)).unwrap_or(wanted);
        self.schemas.insert(free.clone(), Value::Bool(true));
        free
    }

    pub(super) fn into_schemas(self) -> Map<String, Value> {
        self.schemas
    }
}

/// The reference to a component.
pub(super) fn reference(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

/// A type's name with the characters that OpenAPI allows in the name of a component.
fn component_part(definition: &str) -> String {
    definition.replace(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')), "_")
}

/// The definitions that are the same in both messages, together with all that they refer to.
fn shared_definitions<'a>(request: &'a MessageSchema, reply: &'a MessageSchema) -> BTreeSet<&'a str> {
    let asked: BTreeMap<_, _> = request.definitions().collect();
    let alike = reply.definitions().filter(|(name, schema)| asked.get(name) == Some(schema));
    let mut shared: BTreeMap<&str, Vec<String>> = alike.map(|(name, schema)| (name, references_in(schema))).collect();
    loop {
        let keeps = |references: &Vec<String>| {
            let definitions = references.iter().filter_map(|reference| reply.definition_at(reference));
            definitions.into_iter().all(|(name, _)| shared.contains_key(name))
        };
        let split: Vec<&str> = shared.iter().filter(|(_, refs)| !keeps(refs)).map(|(name, _)| *name).collect();
        if split.is_empty() {
            return shared.into_keys().collect();
        }
        shared.retain(|name, _| !split.contains(name));
    }
}

/// The same schema with references to components. A reference to nothing allows anything, as no
/// reader of the document could follow it; the generated test tells its author.
fn rewritten(message: &MessageSchema, mut schema: Value, names: &Names<'_>) -> Value {
    each_schema(&mut schema, |keywords| {
        let Some(Value::String(old)) = keywords.get("$ref") else { return };
        match message.definition_at(old) {
            Some((definition, rest)) => {
                let new = reference(&names[definition]) + rest;
                keywords.insert("$ref".to_owned(), new.into());
            }
            None => {
                keywords.remove("$ref");
            }
        }
    });
    schema
}
