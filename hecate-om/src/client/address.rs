//! What is called: an org's capability in one version, as every place names it.

use std::borrow::Cow;
use std::fmt;

/// The address of a capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) org: Cow<'static, str>,
    pub(crate) name: Cow<'static, str>,
    pub(crate) version: u16,
    /// The service that provides it, where that is known.
    pub(crate) service: Option<&'static str>,
    /// Whether a call of which nobody knows what came may be made again.
    pub(crate) is_idempotent: bool,
    /// Whether anybody may call it, as far as this side knows.
    pub(crate) is_open: bool,
}

impl Address {
    /// Where a dispatch has it, and the local API: `<name>/v<version>`.
    pub(crate) fn path(&self) -> String {
        format!("{}/v{}", self.name, self.version)
    }

    /// What it is on the mesh.
    #[cfg(feature = "macula")]
    pub(crate) fn procedure(&self) -> String {
        format!("{}/{}_v{}", self.org, self.name, self.version)
    }
}

/// `<org>/<name>@<version>`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.org, self.name, self.version)
    }
}
