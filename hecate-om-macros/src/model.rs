//! A service in which nothing is wrong: all that expansion may look at.

use std::fmt;

use proc_macro2::Span;
use syn::{Ident, Type, Visibility};

use crate::arguments::TypeName;
use crate::crate_path::CratePath;
use crate::reference::Reference;

/// A service, checked.
pub(crate) struct Service {
    pub(crate) crate_path: CratePath,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) scope: String,
    pub(crate) tenancy: String,
    pub(crate) runs_on: String,
    pub(crate) image: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) depends_on: Vec<String>,
    pub(crate) health_port: u16,
    pub(crate) callback_module: String,
    pub(crate) self_type: Type,
    /// The type of its own settings.
    pub(crate) settings: Option<TypeName>,
    pub(crate) callbacks: Callbacks,
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) uses: Vec<Use>,
    pub(crate) identity: Identity,
}

/// What a service may call.
#[derive(Clone)]
pub(crate) enum Use {
    /// Whatever a service offers, by its type.
    Service(Type),
    /// One capability, by reference.
    Capability { reference: Reference, version: u16 },
}

/// What a service asks of its realm.
pub(crate) struct Identity {
    pub(crate) actions: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) ttl_days: u16,
}

/// Who may call a capability.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Access {
    Open,
    Realm,
    Issuer([u8; 32]),
}

/// Which callbacks the author wrote.
#[derive(Default, Clone)]
pub(crate) struct Callbacks {
    pub(crate) start: Option<Ident>,
    pub(crate) stop: Option<Ident>,
    pub(crate) health: Option<HealthCallback>,
}

#[derive(Clone)]
pub(crate) struct HealthCallback {
    pub(crate) name: Ident,
    pub(crate) is_async: bool,
}

/// A capability, checked.
pub(crate) struct Capability {
    pub(crate) name: String,
    pub(crate) version: u16,
    pub(crate) description: String,
    pub(crate) access: Access,
    pub(crate) timeout_ms: u64,
    pub(crate) is_idempotent: bool,
    pub(crate) deprecated: Option<String>,
    pub(crate) handler: Handler,
}

/// The signature of a handler, checked.
#[derive(Clone)]
pub(crate) struct Handler {
    pub(crate) method: Ident,
    pub(crate) visibility: Visibility,
    /// The name of its typed constant.
    pub(crate) constant: Ident,
    pub(crate) request: Option<Type>,
    /// The type of its call, if it takes one.
    pub(crate) call: Option<Type>,
    pub(crate) reply: ReplyType,
    /// The second parameter of its `Result`, if that is spelled out.
    pub(crate) refusal: Option<Type>,
    /// Where it says what it returns.
    pub(crate) returns_at: Span,
}

/// Where the type of a reply is found.
#[derive(Clone)]
pub(crate) enum ReplyType {
    /// Spelled out: the first parameter of a `Result`.
    Written(Type),
    /// Behind an alias: whatever the returned type answers with.
    Behind(Type),
}

/// As in the manifest.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Access::Open => f.write_str("open"),
            Access::Realm => f.write_str("realm"),
            Access::Issuer(node) => {
                f.write_str("issuer:")?;
                node.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// How long the permission of a service lasts where nothing else is said.
pub(crate) const TTL_DAYS: u16 = 30;

/// Where a service tells its health where nothing else is said.
pub(crate) const HEALTH_PORT: u16 = 8470;

/// How long a call may take where nothing else is said, and at the most.
pub(crate) const TIMEOUT_MS: u64 = 30_000;
pub(crate) const MAX_TIMEOUT_MS: u64 = 600_000;
