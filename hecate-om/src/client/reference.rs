//! Capabilities by name, for callers that have no type of their provider.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

use super::calling::{Calling, Plan, Seal};
use super::message::{CallReply, CallRequest};
use super::{Address, Parent};
use crate::service::{ServiceInfo, Use};

const MAX_ORG: usize = 64;
const MAX_NAME: usize = 128;

/// A capability by its name, for a provider whose types are not at hand.
///
/// What it calls must be in `uses(...)` of the service that calls, else the call is refused as
/// `undeclared` before anything is sent.
///
/// ```
/// use hecate_om::Reference;
///
/// let query = Reference::new("acme/rag.query", 1).unwrap();
/// assert_eq!(query.to_string(), "acme/rag.query@1");
/// assert!(Reference::new("Acme/rag", 1).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// None: the org of the caller.
    org: Option<String>,
    name: String,
    version: u16,
}

/// A text that names no capability.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` names no capability; help: write `<org>/<name>` or `<name>` with a version from 1, such as `acme/rag.query`: \
     the org in kebab-case, the name in dotted lower snake case with at least two parts"
)]
pub struct NotAReference(String);

impl Reference {
    /// The capability `[<org>/]<name>` in a version from 1; without an org it is one of the caller's own.
    ///
    /// # Errors
    /// When the text names no capability.
    pub fn new(reference: &str, version: u16) -> Result<Self, NotAReference> {
        let (org, name) = match reference.split_once('/') {
            Some((org, name)) => (Some(org), name),
            None => (None, reference),
        };
        if version == 0 || !org.is_none_or(is_org) || !is_name(name) {
            let shown = reference.chars().take(MAX_NAME).flat_map(char::escape_debug).collect();
            return Err(NotAReference(shown));
        }
        Ok(Self { org: org.map(str::to_owned), name: name.to_owned(), version })
    }

    /// The org, if one is named.
    pub fn org(&self) -> Option<&str> {
        self.org.as_deref()
    }

    /// The name, without org and version.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Calls it. The types are the caller's own; `serde_json::Value` does for both.
    ///
    /// ```
    /// # use hecate_om::prelude::*;
    /// # use hecate_om::Reference;
    /// # #[message] struct Query { text: String }
    /// # #[message] struct Found { text: String }
    /// # async fn ask<S: Service>(call: &Call<S>) -> Result<(), Box<dyn std::error::Error>> {
    /// let query = Reference::new("acme/rag.query", 1)?;
    /// let found = query.call::<Query, Found>(call, Query { text: "mesh".into() }).await?;
    /// # let _ = found.text;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<'a, R: CallRequest, T: CallReply>(&self, parent: &'a impl Parent, request: R) -> Calling<'a, R, T> {
        let calls = parent.calls(Seal);
        let own_org = &calls.settings.org;
        let address = Address {
            org: Cow::Owned(self.org.clone().unwrap_or_else(|| own_org.clone())),
            name: Cow::Owned(self.name.clone()),
            version: self.version,
            service: None,
            is_idempotent: false,
            is_open: false,
        };
        Calling::new(calls, Plan::by_reference(address, parent.cause(Seal)), request)
    }
}

/// `[<org>/]<name>@<version>`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(org) = &self.org {
            write!(f, "{org}/")?;
        }
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// Whether a service says that it calls what is at `address`: by reference, as a capability of a service
/// that it uses, or as one of its own.
pub(super) fn is_declared(
    address: &Address,
    service: &ServiceInfo,
    own_org: &str,
    org_of: impl Fn(&'static str) -> Cow<'static, str>,
) -> bool {
    let own = address.org == own_org
        && service.capabilities.iter().any(|own| own.name == address.name && own.version == address.version);
    own || service.uses.iter().any(|used| match used {
        Use::Capability { reference, version } => {
            let (org, name) = reference.split_once('/').unwrap_or((own_org, reference));
            *version == address.version && name == address.name && org == address.org
        }
        // Another service may have the same org: then the scope tells whose it is.
        Use::Service { name, .. } => org_of(name) == address.org && address.name.starts_with(&scope_of(name)),
    })
}

/// The first part of the names of a service's capabilities, with its dot.
fn scope_of(service: &str) -> String {
    format!("{}.", service.strip_prefix("hecate-").unwrap_or(service).replace('-', "_"))
}

fn is_org(text: &str) -> bool {
    text.len() <= MAX_ORG && text.split('-').enumerate().all(|(place, part)| is_word(part, place == 0, |_| false))
}

fn is_name(text: &str) -> bool {
    let parts = text.split('.').enumerate().all(|(place, part)| is_word(part, place == 0, |byte| byte == b'_'));
    text.len() <= MAX_NAME && text.contains('.') && parts
}

fn is_word(part: &str, letter_first: bool, also: impl Fn(u8) -> bool) -> bool {
    let first = part.bytes().next();
    let begins = first.is_some_and(|byte| byte.is_ascii_lowercase() || (!letter_first && byte.is_ascii_digit()));
    begins && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || also(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::CapabilityInfo;
    use crate::service::IdentitySpec;

    #[test]
    fn what_names_no_capability_is_refused() {
        for text in ["acme/rag.query", "rag.query", "a-b2/rag.query_all.v2", "hecate-echo/echo.say"] {
            assert!(Reference::new(text, 1).is_ok(), "{text}");
        }
        let wrong = [
            "",
            "rag",
            "acme/rag",
            "Acme/rag.query",
            "a/b/c.d",
            "/rag.query",
            "acme/",
            "rag..query",
            "rag.q q",
            "rag.query/",
            "ä/rag.query",
            "rag.Query",
            "acme-/rag.query",
            "rag._x",
        ];
        for text in wrong.into_iter().chain([&*format!("a.{}", "b".repeat(127))]) {
            let error = Reference::new(text, 1).unwrap_err().to_string();
            assert!(error.contains("names no capability"), "{text}: {error}");
        }
        assert!(Reference::new("rag.query", 0).is_err());
        let terrible = Reference::new("x\u{1b}[2J", 1).unwrap_err().to_string();
        assert!(!terrible.contains('\u{1b}'), "{terrible}");
    }

    #[test]
    fn only_what_is_declared_may_be_called() {
        static OWN: [CapabilityInfo; 1] = [CapabilityInfo::new("lab.do", 2, "", 1)];
        static INFO: ServiceInfo = {
            let identity = IdentitySpec::new("lab", &[], &[], 30);
            let info = ServiceInfo::new("hecate-lab", "1.0.0", "", "", "", &OWN, identity, 1, "{}");
            info.uses(&[
                Use::Capability { reference: "acme/rag.query", version: 1 },
                Use::Capability { reference: "rag.own", version: 3 },
                Use::Service { name: "hecate-echo", closed: &[] },
            ])
        };
        let declared = |org: &'static str, name: &'static str, version| {
            let address = Address {
                org: org.into(),
                name: name.into(),
                version,
                service: None,
                is_idempotent: false,
                is_open: false,
            };
            let org_of = |name| if name == "hecate-echo" { "shared".into() } else { Cow::Borrowed(name) };
            is_declared(&address, &INFO, "mine", org_of)
        };
        assert!(declared("acme", "rag.query", 1));
        assert!(declared("mine", "rag.own", 3));
        assert!(declared("mine", "lab.do", 2));
        assert!(declared("shared", "echo.say", 9));
        for (org, name, version) in [
            ("acme", "rag.query", 2),
            ("acme", "rag.other", 1),
            ("mine", "rag.query", 1),
            ("mine", "lab.do", 1),
            ("acme", "lab.do", 2),
            ("shared", "echoes.say", 1),
            ("hecate-echo", "echo.say", 1),
        ] {
            assert!(!declared(org, name, version), "{org}/{name}@{version}");
        }
    }
}
