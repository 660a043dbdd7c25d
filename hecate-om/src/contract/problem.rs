//! What can be wrong with a contract, in words for the author of the service.

use std::fmt;

use thiserror::Error;

use super::CapabilityContract;
use super::check::Kept;
use crate::registry::Duplicate;

/// A reason why callers could not rely on a contract.
#[derive(Debug, Error)]
pub(super) enum Problem {
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
    #[error("{0}")]
    Locked(String),
    #[error(
        "`{service}` declares {capabilities} capabilities and has {handlers} handlers; \
         help: `#[hecate_service]` generates both, so build with one version of `hecate-om`"
    )]
    Miscounted { service: &'static str, capabilities: usize, handlers: usize },
    #[error("{place}: found {found}, but a message is an object; help: {}", .found.remedy(place))]
    NotAnObject { place: Place, found: Found },
    #[error(
        "{place}: the field `{field}` is reserved, the mesh takes it away before the message arrives; \
         help: write `#[serde(rename = \"...\")]` above it, or rename it"
    )]
    Reserved { place: Place, field: &'static str },
    #[error(
        "{place}: the `$ref` `{reference}` points to nothing in this message; \
         help: correct the `JsonSchema` that was written by hand, or derive it"
    )]
    Dangling { place: Place, reference: String },
    #[error(
        "{place}: a boolean {kept} is 0 or 1 on the mesh, and is not read back as a boolean there; \
         help: {}, or put an enum of two names in its place", .kept.remedy()
    )]
    LostBoolean { place: Place, kept: Kept },
}

/// A place in the schemas of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    capability: &'static str,
    version: u16,
    side: Side,
    pointer: String,
}

/// Which of the two messages of a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Reply,
}

/// What stands where an object should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Text,
    Number,
    Boolean,
    Array,
    Null,
    Anything,
    Nothing,
}

impl Place {
    /// The top of a message.
    pub(super) fn top(capability: &CapabilityContract, side: Side) -> Self {
        Self { capability: capability.name, version: capability.version, side, pointer: String::new() }
    }

    /// The place that a JSON pointer in the same message names.
    pub(super) fn at(&self, pointer: &str) -> Self {
        Self { pointer: pointer.to_owned(), ..self.clone() }
    }

    fn is_variant(&self) -> bool {
        self.pointer.contains("/oneOf/") || self.pointer.contains("/anyOf/")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Request => "request",
            Side::Reply => "reply",
        };
        write!(f, "capability `{}@{}`, {side}", self.capability, self.version)?;
        if self.pointer.is_empty() { Ok(()) } else { write!(f, ", `{}`", self.pointer) }
    }
}

impl Found {
    /// What a schema's `type` calls it.
    pub(super) fn of_type(name: &str) -> Self {
        match name {
            "string" => Found::Text,
            "integer" | "number" => Found::Number,
            "boolean" => Found::Boolean,
            "array" => Found::Array,
            "null" => Found::Null,
            _ => Found::Anything,
        }
    }

    fn remedy(self, place: &Place) -> &'static str {
        match self {
            Found::Null => "take the type itself instead of an `Option` of it, and make its fields optional",
            Found::Anything => "use a struct with named fields, so that callers know what they are",
            Found::Nothing => "use a struct with named fields; no value has this type",
            Found::Text | Found::Array | Found::Number | Found::Boolean if place.is_variant() => {
                "write `#[serde(tag = \"kind\")]` above the enum and give its variants named fields"
            }
            Found::Text | Found::Array | Found::Number | Found::Boolean => "put it into a field of a struct",
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Found::Text => "a string",
            Found::Number => "a number",
            Found::Boolean => "a boolean",
            Found::Array => "an array",
            Found::Null => "`null`",
            Found::Anything => "a schema that allows any value",
            Found::Nothing => "a schema that allows no value",
        })
    }
}
