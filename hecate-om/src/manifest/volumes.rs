//! The folders that a deployment gives to a service, as a manifest says them.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rules;
use crate::service::DEFAULT_SECRETS;

/// The folders that a deployment gives to a service. Neither lies in the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Volumes {
    /// Where the service finds a file for each of its secrets. By default `/etc/hecate/secrets`.
    #[schemars(regex(pattern = rules::VOLUME.pattern), length(max = rules::VOLUME_BYTES))]
    pub secrets: String,

    /// Where the service keeps what lasts. By default `/var/lib/<name>`.
    #[schemars(regex(pattern = rules::VOLUME.pattern), length(max = rules::VOLUME_BYTES))]
    pub state: String,
}

impl Volumes {
    /// Those of a service whose manifest says nothing of them.
    #[must_use]
    pub fn of(service: &str) -> Self {
        Self { secrets: DEFAULT_SECRETS.to_owned(), state: format!("/var/lib/{service}") }
    }

    /// The one that lies in the other, or is the other, and that one.
    pub(super) fn nested(&self) -> Option<(&str, &str)> {
        let (secrets, state) = (self.secrets.as_str(), self.state.as_str());
        let lies_in = |(inner, outer): &(&str, &str)| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        [(state, secrets), (secrets, state)].into_iter().find(lies_in)
    }
}

/// In the schema of a manifest: older ones have none, and a default that follows from the name no schema can say.
pub(super) fn may_be_absent(schema: &mut Schema) {
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name != "volumes");
    }
}
