//! What generated code names. Not an interface: it changes without notice.

mod callbacks;
mod handlers;
mod record;
mod refusals;
mod settings;

pub use {inventory, schemars, serde, serde_json};

pub use callbacks::{
    StartFailure, StartsByDefault, health_must_be_send, nothing_to_stop, start_must_be_send, started,
    stop_must_be_send, told,
};
pub use handlers::{Answer, NoResult, Returned, handler};
pub use record::{keep, record, record_len};
pub use refusals::{Detail, detail, refuse};

pub use settings::settings;

pub use crate::capability::{
    Access, Capability, CapabilityError, CapabilityInfo, Confidential, Handlers, Kind, Refusal, RefusalCode,
};
pub use crate::config::SettingsType;
pub use crate::context::Context;
pub use crate::contract::check as check_contract;
pub use crate::guard::Limits;
pub use crate::health::Health;
pub use crate::node_id::NodeId;
pub use crate::registry::Registration;
pub use crate::service::{Callback, IdentitySpec, Provider, Service, ServiceInfo, Shared, StartError, Use, Uses};

pub use hecate_om_macros::told_capability;

/// What is known of a service whose block has errors.
pub static NO_SERVICE: ServiceInfo =
    ServiceInfo::new("", "", "", "", "", &[], IdentitySpec::new("", &[], &[], 1), 1, "");
