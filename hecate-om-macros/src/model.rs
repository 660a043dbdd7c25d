//! A service in which nothing is wrong: all that expansion may look at.

use std::fmt;

use proc_macro2::Span;
use syn::{Ident, Type, Visibility};

use crate::arguments::TypeName;
use crate::crate_path::CratePath;
use crate::reference::Reference;
use crate::validate::types::{REPLY_STREAM, REQUEST_STREAM, item_of, type_arguments};

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
    pub(crate) volumes: Volumes,
    pub(crate) callback_module: String,
    pub(crate) self_type: Type,
    /// The type of its own settings.
    pub(crate) settings: Option<TypeName>,
    pub(crate) callbacks: Callbacks,
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) uses: Vec<Use>,
    pub(crate) identity: Identity,
    /// Whether its package has a lock of contracts.
    pub(crate) is_locked: bool,
}

/// The folders that a deployment gives to a service.
pub(crate) struct Volumes {
    pub(crate) secrets: String,
    pub(crate) state: String,
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

/// How much of a capability its callers may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The largest request, or item of a request stream, in bytes.
    pub(crate) payload: u32,
    /// The largest reply, or item of a reply stream, in bytes.
    pub(crate) reply: u32,
    /// How many calls run at once.
    pub(crate) concurrency: u32,
    pub(crate) per_caller: Rate,
    pub(crate) total: Rate,
}

/// So many calls in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) calls: u32,
    pub(crate) period_ms: u32,
}

impl Rate {
    /// Whether it allows all that `other` does: as many calls at once, and as many over time.
    pub(crate) fn covers(self, other: Self) -> bool {
        let over_time = |calls: Self, period: Self| u64::from(calls.calls) * u64::from(period.period_ms);
        self.calls >= other.calls && over_time(self, other) >= over_time(other, self)
    }
}

/// As its author would write it: `600/10s`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, period_ms } = self;
        match period_ms {
            0 => write!(f, "{calls}/0s"),
            ms if ms % 3_600_000 == 0 => write!(f, "{calls}/{}h", ms / 3_600_000),
            ms if ms % 60_000 == 0 => write!(f, "{calls}/{}m", ms / 60_000),
            ms if ms % 1_000 == 0 => write!(f, "{calls}/{}s", ms / 1_000),
            ms => write!(f, "{calls}/{ms}ms"),
        }
    }
}

/// Whether a call is sealed, so that no station on its way can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confidential {
    Off,
    Preferred,
    Required,
}

/// The shape of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Unary,
    ServerStream,
    ClientStream,
    Bidi,
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
    pub(crate) limits: Limits,
    pub(crate) confidential: Confidential,
    pub(crate) is_idempotent: bool,
    pub(crate) is_cancelled_on_disconnect: bool,
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

impl Handler {
    pub(crate) fn kind(&self) -> Kind {
        match (self.request_item(), self.reply_item()) {
            (None, None) => Kind::Unary,
            (None, Some(_)) => Kind::ServerStream,
            (Some(_), None) => Kind::ClientStream,
            (Some(_), Some(_)) => Kind::Bidi,
        }
    }

    /// What a caller streams, if it does.
    pub(crate) fn request_item(&self) -> Option<&Type> {
        self.request.as_ref().and_then(|request| item_of(request, REQUEST_STREAM))
    }

    /// What is streamed to a caller, if that is; also of an `Outcome<ReplyStream<O>>`, an alias of a `Result`.
    /// Of an alias without parameters nobody sees it here: types tell.
    pub(crate) fn reply_item(&self) -> Option<&Type> {
        let reply = match &self.reply {
            ReplyType::Written(reply) => reply,
            ReplyType::Behind(result) => type_arguments(result).first().copied()?,
        };
        item_of(reply, REPLY_STREAM)
    }
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

/// As in the manifest.
impl fmt::Display for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Confidential::Off => "off",
            Confidential::Preferred => "preferred",
            Confidential::Required => "required",
        })
    }
}

/// As in the manifest.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Unary => "unary",
            Kind::ServerStream => "server_stream",
            Kind::ClientStream => "client_stream",
            Kind::Bidi => "bidi",
        })
    }
}

/// How long the permission of a service lasts where nothing else is said.
pub(crate) const TTL_DAYS: u16 = 30;

/// Where a service tells its health where nothing else is said.
pub(crate) const HEALTH_PORT: u16 = 8470;

/// Where a service finds its secrets where nothing else is said, and what it keeps lies in a folder of its name.
pub(crate) const DEFAULT_SECRETS: &str = "/etc/hecate/secrets";
pub(crate) const DEFAULT_STATE_IN: &str = "/var/lib";

/// How long a call may take where nothing else is said, and at the most.
pub(crate) const TIMEOUT_MS: u64 = 30_000;
pub(crate) const MAX_TIMEOUT_MS: u64 = 600_000;

/// What a capability allows where nothing else is said.
pub(crate) const LIMITS: Limits = Limits {
    payload: 1 << 20,
    reply: MAX_BYTES,
    concurrency: 1024,
    per_caller: Rate { calls: 600, period_ms: 10_000 },
    total: Rate { calls: 6000, period_ms: 10_000 },
};

/// The most that may be allowed: the largest message, in bytes; calls at once; and of a rate, its calls and
/// its period.
pub(crate) const MAX_BYTES: u32 = 16 << 20;
pub(crate) const MAX_CONCURRENCY: u32 = 65_536;
pub(crate) const MAX_CALLS: u32 = 1_000_000;
pub(crate) const MIN_PERIOD_MS: u32 = 1_000;
pub(crate) const MAX_PERIOD_MS: u32 = 3_600_000;
