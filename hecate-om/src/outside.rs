//! Calls from outside of any service: for tools and scripts that look at a box, and at the mesh that it is on.
//!
//! Whoever writes a service calls others through its [`Call`](crate::Call) or [`Context`](crate::Context); here
//! nothing is declared, and requests and replies are JSON.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use hecate_om::Reference;
//! use hecate_om::outside::{Outside, Sending, State};
//!
//! # async fn look() -> Result<(), Box<dyn std::error::Error>> {
//! // The settings of this process, as a service would read them.
//! let outside = Outside::from_env()?;
//! let say = Reference::new("hecate-echo/echo.say", 1)?;
//! for service in outside.services().await {
//!     let State::Running(running) = &service.state else { continue };
//!     if let Some(offer) = running.offer("echo.say", Some(1)) {
//!         let request = Sending::One(r#"{"text":"hello"}"#.to_owned());
//!         let mut answer = outside.call_here(&service, offer, None, request, None).await?;
//!         while let Some(item) = answer.next().await {
//!             println!("{}", item?);
//!         }
//!     }
//! }
//!
//! // The same over the mesh.
//! # #[cfg(feature = "macula")] {
//! let guest = outside.join(Duration::from_secs(10)).await?;
//! let request = Sending::One(r#"{"text":"hello"}"#.to_owned());
//! let mut answer = guest.call(&say, Default::default(), request, None, None).await?;
//! println!("{:?}", answer.next().await);
//! guest.leave().await;
//! # }
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "macula")]
mod guest;
mod sending;
mod services;

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

#[cfg(feature = "macula")]
pub use self::guest::{Guest, JoinError};
pub use self::sending::Sending;
pub use self::services::{Health, Offer, Running, Service, State};

use crate::capability::{CapabilityError, Item, Kind, Trace, Via};
use crate::client::{Address, CallError, Cause, Opened, Plan, Received, open_at};
use crate::config::{Config, ConfigError, Flags, SettingsType, Sources};
use crate::node_id::NodeId;
use crate::service::{Blueprint, DEFAULT_SECRETS, IdentitySpec, ServiceInfo};

/// What stands where a service would: it offers nothing, and its name is that of the tool.
static NOBODY: ServiceInfo = {
    let identity = IdentitySpec::new("om", &[], &[], 1);
    ServiceInfo::new("hecate-om", env!("CARGO_PKG_VERSION"), "", "", "", &[], identity, 8470, "")
        .volumes(DEFAULT_SECRETS, "/var/lib/hecate-om")
};

/// A caller outside of any service, with the settings of its process.
#[derive(Debug)]
pub struct Outside {
    config: Config,
    warnings: Vec<String>,
}

/// What is wrong with the settings of a process.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct SettingsError(ConfigError);

impl SettingsError {
    /// The problems, one by one, each with what to do.
    pub fn problems(&self) -> impl Iterator<Item = String> {
        self.0.problems().iter().map(ToString::to_string)
    }

    /// With which code a service would end, as in `sysexits.h`.
    pub fn exit_code(&self) -> u8 {
        self.0.exit_code()
    }
}

impl Outside {
    /// Reads the settings that the runtime of a service reads, from the environment of this process.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn from_env() -> Result<Self, SettingsError> {
        let blueprint = Blueprint {
            info: &NOBODY,
            settings: SettingsType::of::<()>(),
            contracts: Vec::new,
            start: |_| Box::pin(std::future::pending()),
        };
        let sources = Sources::of_process(NOBODY.name, Flags::default()).without_settings();
        let loaded = Config::load(&blueprint, sources).map_err(SettingsError)?;
        Ok(Self { config: loaded.config, warnings: loaded.warnings })
    }

    /// What of the settings is ignored.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The folder in which the services of this box find each other.
    pub fn runtime_dir(&self) -> &Path {
        &self.config.runtime_dir
    }

    /// The folder of the development station of this box.
    pub fn station_folder(&self) -> PathBuf {
        self.config.runtime_dir.join("station")
    }

    /// The folder with a file for each secret.
    pub fn secrets_dir(&self) -> &Path {
        &self.config.secrets_dir
    }

    /// With which keys the nodes of this mesh sign, as it is written in `HECATE_PROFILE`.
    pub fn profile(&self) -> &'static str {
        match self.config.mesh.profile {
            crate::config::mesh::CryptoProfile::PqPure => "pq_pure",
            crate::config::mesh::CryptoProfile::PqHybrid => "pq_hybrid",
        }
    }

    /// Whether stations are set, so that this box needs none of its own.
    pub fn has_stations(&self) -> bool {
        !self.config.mesh.stations.is_empty()
    }

    /// In which orgs a capability of that name may be found that is called without one: in the own org of this
    /// process where it is set, else in those of the services that may have such a name.
    pub fn orgs_of(&self, name: &str) -> Vec<String> {
        if self.config.mesh.org != NOBODY.name {
            return vec![self.config.mesh.org.clone()];
        }
        let scope = name.split('.').next().unwrap_or_default().replace('_', "-");
        let services = [format!("hecate-{scope}"), scope];
        services.into_iter().map(|service| self.config.mesh.peers.get(&service).cloned().unwrap_or(service)).collect()
    }

    /// Looks for the services that have a socket on this box, and asks each how it is. They are sorted by name.
    pub async fn services(&self) -> Vec<Service> {
        services::look(self.config.runtime_dir.clone()).await
    }

    /// Calls a capability of a service of this box. With an `org`, the service must be of that one; `timeout` is
    /// how long to wait for its first word, and for each item of its stream.
    ///
    /// # Errors
    /// As of any call.
    pub async fn call_here(
        &self,
        service: &Service,
        offer: &Offer,
        org: Option<&str>,
        sending: Sending,
        timeout: Option<Duration>,
    ) -> Result<Answer, CallError> {
        let is_org_meant = org.is_some();
        let org = org.unwrap_or(&service.name).to_owned();
        let plan = plan(org, &offer.name, offer.version, timeout);
        let capability = plan.address.to_string();
        let opened = open_at(&service.socket, plan, is_org_meant, offer.kind, sending.erased(offer.kind)).await?;
        Ok(Answer::of(opened, capability, timeout))
    }
}

/// A call that no other caused.
fn plan(org: String, name: &str, version: u16, timeout: Option<Duration>) -> Plan {
    let address = Address {
        org: org.into(),
        name: name.to_owned().into(),
        version,
        service: None,
        is_idempotent: false,
        is_open: false,
    };
    let mut plan = Plan::typed(address, Cause { hops: 0, deadline: None, trace: Trace::fresh() });
    plan.timeout = timeout;
    plan
}

/// What a capability replied: one JSON document, or one after the other.
pub struct Answer {
    received: Option<Received>,
    via: Via,
    provider: Option<NodeId>,
    /// What was called.
    capability: String,
    patience: Option<Duration>,
}

impl Answer {
    fn of(opened: Opened, capability: String, patience: Option<Duration>) -> Self {
        Self { received: Some(opened.received), via: opened.via, provider: opened.provider, capability, patience }
    }

    /// Whether it is a stream.
    pub fn is_stream(&self) -> bool {
        matches!(self.received, Some(Received::Many(_)))
    }

    /// The way that the call took.
    pub fn via(&self) -> Via {
        self.via
    }

    /// The node that answers, on the mesh.
    pub fn provider(&self) -> Option<NodeId> {
        self.provider
    }

    /// The reply, or the next item of the stream, as JSON; none when there is no more.
    ///
    /// # Errors
    /// What the stream ended with.
    pub async fn next(&mut self) -> Option<Result<String, CallError>> {
        let item = match self.received.take()? {
            Received::One(item) => Ok(item),
            Received::Many(mut items) => {
                let next = poll_fn(|context| items.as_mut().poll_next(context));
                let item = match self.patience {
                    Some(after) => tokio::time::timeout(after, next).await.unwrap_or_else(|_| {
                        let capability = self.capability.clone();
                        Some(Err(CallError::Timeout { capability, after, attempts: Default::default() }))
                    }),
                    None => next.await,
                }?;
                if item.is_ok() {
                    self.received = Some(Received::Many(items));
                }
                item
            }
        };
        Some(item.and_then(json))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer(via {})", self.via)
    }
}

fn json(item: Item) -> Result<String, CallError> {
    match item {
        Item::Json(body) => {
            String::from_utf8(body.into()).map_err(|error| CallError::Reply(CapabilityError::internal(error)))
        }
        #[cfg(feature = "macula")]
        Item::Value(value) => crate::mesh::value::decode::<serde_json::Value>(value)
            .map(|value| value.to_string())
            .map_err(|error| CallError::Reply(crate::capability::json::unreadable_reply(&error))),
    }
}

/// How a capability is called, as it is written in manifests.
fn kind_of(text: &str) -> Option<Kind> {
    [Kind::Unary, Kind::ServerStream, Kind::ClientStream, Kind::Bidi].into_iter().find(|kind| kind.to_string() == text)
}
