//! `manifest.json`: what a service is, what it answers and what it needs, as one JSON document.
//!
//! The macro writes it at build time, so this module takes nothing on trust: whoever holds a
//! manifest file, whatever its origin, reads it here and learns everything that is wrong with it.

mod document;
mod error;
mod limits;
mod node;
mod place;
mod read;
mod rules;
mod volumes;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use self::error::{ManifestError, ManifestErrors};
pub use self::limits::{Limits, Rate};
pub use self::volumes::Volumes;

use self::node::{Node, Reading, UnknownFields};

/// The manifest of one service, schema `hecate.manifest/1`.
///
/// The fields stand in the order in which they are written. Deserializing checks what [`Manifest::parse`]
/// does, but for keys that stand twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(
    description = "The manifest of one service, schema `hecate.manifest/1`.",
    transform = volumes::may_be_absent
)]
pub struct Manifest {
    /// The schema of this document: `hecate.manifest/1`.
    #[schemars(extend("const" = rules::SCHEMA))]
    pub schema: String,

    /// The service's name, kebab-case, at most 40 bytes.
    #[schemars(regex(pattern = rules::NAME.pattern), length(max = rules::NAME_BYTES))]
    pub name: String,

    /// The name that people read.
    pub display_name: String,

    /// The service's version, SemVer.
    #[schemars(regex(pattern = rules::VERSION.pattern))]
    pub version: String,

    /// What the service is for. Not empty.
    #[schemars(regex(pattern = rules::DESCRIPTION.pattern))]
    pub description: String,

    /// How the service runs.
    pub service_type: ServiceType,

    /// Whom one running service serves, lower snake case. By default `realm`.
    #[schemars(regex(pattern = rules::SNAKE.pattern))]
    pub tenancy: String,

    /// The kind of node that the service runs on, lower snake case. By default
    /// `infrastructure_node`.
    #[schemars(regex(pattern = rules::SNAKE.pattern))]
    pub runs_on: String,

    /// The type that implements the service, `<crate>::<type>`.
    #[schemars(regex(pattern = rules::CALLBACK_MODULE.pattern))]
    pub callback_module: String,

    /// The container image. Absent by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,

    /// The address of the source repository. By default the package's, absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,

    /// The SPDX licence expression. By default the package's, absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,

    /// The services that have to run before this one. By default none.
    pub depends_on: Vec<String>,

    /// The first part of every capability's name, lower snake case. By default `name` without a
    /// leading `hecate-`, each `-` an `_`.
    #[schemars(regex(pattern = rules::SNAKE.pattern))]
    pub scope: String,

    /// What the service answers. No two of the same name and version.
    pub capabilities: Vec<Capability>,

    /// What the service may call. By default nothing.
    #[serde(default)]
    pub uses: Vec<Use>,

    /// What the service asks its identity to allow.
    pub identity: Identity,

    /// The ports that the service listens on.
    pub ports: Ports,

    /// The folders that a deployment gives to the service. Where they are absent, as in older manifests,
    /// `/etc/hecate/secrets` and `/var/lib/<name>`.
    pub volumes: Volumes,

    /// The lowest version of hecate-om that can run the service, SemVer.
    #[schemars(regex(pattern = rules::VERSION.pattern))]
    pub min_om_version: String,
}

/// What stands where is read and checked in one place, by whoever a manifest is read.
impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Value::deserialize(deserializer)?;
        let mut reading = Reading::new(UnknownFields::Pass);
        let manifest = read::manifest(Node::document(&document, &mut reading));
        reading.finish(manifest).map_err(D::Error::custom)
    }
}

/// How a service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServiceType {
    /// Always on, in a container.
    ContainerDaemon,
}

/// One thing that a service answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capability {
    /// The name that callers use: lower snake case parts joined by dots, at least two, the first
    /// the service's scope, the last not reserved; at most 128 bytes.
    #[schemars(
        regex(pattern = rules::CAPABILITY_NAME.pattern),
        length(max = rules::CAPABILITY_NAME_BYTES),
        extend("not" = { "pattern": rules::RESERVED_LAST_PART_PATTERN })
    )]
    pub name: String,

    /// The version of the capability, from 1 to 65535.
    #[schemars(range(min = rules::CAPABILITY_VERSION.least, max = rules::CAPABILITY_VERSION.most))]
    pub version: u16,

    /// What the capability does.
    pub description: String,

    /// The shape of a call.
    pub kind: Kind,

    /// Who may call it: `open` (anyone on the mesh), `realm` (who holds a token that the realm granted) or
    /// `issuer:<64 hex digits>` (one that this node granted). By default `realm`.
    #[serde(default = "realm")]
    #[schemars(regex(pattern = rules::ACCESS.pattern))]
    pub access: String,

    /// How long one call may take, in milliseconds, from 1 to 600000; of a stream, how long each wait.
    /// By default 30000.
    #[schemars(range(min = rules::TIMEOUT_MS.least, max = rules::TIMEOUT_MS.most))]
    pub timeout_ms: u64,

    /// How much of it callers may take. Absent while all of it is the default.
    #[serde(default, skip_serializing_if = "Limits::is_default")]
    pub limits: Limits,

    /// Whether a call over the mesh is sealed, so that no station on its way can read it. By default, and
    /// where it is absent, `preferred`.
    #[serde(default, skip_serializing_if = "Confidential::is_default")]
    pub confidential: Confidential,

    /// Whether answering it twice is as good as once. Absent while it is not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub idempotent: bool,

    /// Whether a handler ends when its caller leaves. Absent while it runs to its end or deadline.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancel_on_disconnect: bool,

    /// Why callers should stop calling it. Absent while they should not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
}

/// The shape of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// One request, one reply.
    Unary,
    /// One request, a stream of replies.
    ServerStream,
    /// A stream of requests, one reply.
    ClientStream,
    /// A stream of requests, a stream of replies.
    Bidi,
}

/// Whether a call over the mesh is sealed, so that no station on its way can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Confidential {
    /// It never is.
    Off,
    /// It is where the caller can.
    #[default]
    Preferred,
    /// A call that is not sealed is refused.
    Required,
}

impl Confidential {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn realm() -> String {
    rules::REALM.to_owned()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Something that a service may call.
///
/// A service is named by its type, not by its name: the text is made where only the tokens of the block
/// are known, and is the same byte for byte in the build output, in the binary and from the running
/// service, which alone knows the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Use {
    /// Whatever a service offers.
    Service {
        /// The type of the service as it is written, without blanks.
        #[serde(rename = "type")]
        type_name: String,
    },
    /// One capability.
    Capability {
        /// Its reference, `<org>/<name>`, or `<name>` in the caller's own org.
        #[schemars(regex(pattern = rules::REFERENCE.pattern))]
        capability: String,
        /// Its version, from 1 to 65535.
        #[schemars(range(min = rules::CAPABILITY_VERSION.least, max = rules::CAPABILITY_VERSION.most))]
        version: u16,
    },
}

/// What a service asks its identity to allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// The scope of the identity, lower snake case. By default the service's.
    #[schemars(regex(pattern = rules::SNAKE.pattern))]
    pub scope: String,

    /// What the service may do. By default what its block declares.
    pub actions: Vec<String>,

    /// What it may do that to. By default `<scope>/*` and what the service uses.
    pub resources: Vec<String>,

    /// How long the identity is valid, in days, from 1 to 365. By default 30.
    #[schemars(range(min = rules::TTL_DAYS.least, max = rules::TTL_DAYS.most))]
    pub ttl_days: u16,
}

/// The ports that a service listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ports {
    /// The TCP port of the health listener, not 0. By default 8470.
    #[schemars(range(min = rules::PORT.least, max = rules::PORT.most))]
    pub health: u16,
}

impl Manifest {
    /// The size of the largest text that is read, in bytes: 1 MiB.
    pub const MAX_BYTES: usize = 1024 * 1024;

    /// Reads a manifest and checks every rule. Unknown fields pass, since the schema grows.
    ///
    /// # Errors
    /// Everything that is wrong, each with its path. A text that is too large or is not JSON is
    /// one error.
    ///
    /// # Example
    /// ```
    /// use hecate_om::manifest::Manifest;
    ///
    /// let text = r#"{ "schema": "hecate.manifest/1", "name": "Echo", "ports": { "health": 0 } }"#;
    /// let errors = Manifest::parse(text).unwrap_err();
    ///
    /// let lines = errors.to_string();
    /// assert!(lines.contains("name: found `\"Echo\"`; write kebab-case"));
    /// assert!(lines.contains("ports.health: found `0`; write a port from 1 to 65535"));
    /// assert!(errors.iter().any(|error| error.path() == "capabilities"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, ManifestErrors> {
        Self::read(text, UnknownFields::Pass)
    }

    /// Reads a manifest as [`Manifest::parse`] does, and refuses unknown fields.
    ///
    /// # Errors
    /// Those of [`Manifest::parse`], and each unknown field with the known one that it resembles.
    pub fn parse_strict(text: &str) -> Result<Self, ManifestErrors> {
        Self::read(text, UnknownFields::Refuse)
    }

    fn read(text: &str, unknown_fields: UnknownFields) -> Result<Self, ManifestErrors> {
        let mut reading = Reading::new(unknown_fields);
        let manifest = document::parse(text, &mut reading.errors)
            .and_then(|document| read::manifest(Node::document(&document, &mut reading)));
        reading.finish(manifest)
    }

    /// Writes the manifest as the build does, byte for byte: indented by two spaces, one newline
    /// at the end.
    #[must_use]
    pub fn to_json(&self) -> String {
        match serde_json::to_string_pretty(self) {
            Ok(json) => json + "\n",
            Err(error) => unreachable!("text and whole numbers always have a JSON form: {error}"),
        }
    }

    /// The JSON Schema of a manifest, draft 2020-12.
    ///
    /// It cannot say everything: that a capability's name starts with the scope, that no two
    /// capabilities share name and version, that a `total` covers its `per_caller` and that no volume
    /// lies in the other is known to [`Manifest::parse`] only.
    #[must_use]
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}
