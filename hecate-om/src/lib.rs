//! Write one impl block, get an always-on service for the Macula mesh.
//!
//! ```
//! use hecate_om::prelude::*;
//!
//! #[derive(Default)]
//! pub struct Greeter;
//!
//! #[message] pub struct Greet { name: String }
//! #[message] pub struct Greeting { message: String }
//! #[derive(Refusal)] pub enum GreetRefusal { /** Nobody to greet. */ NoName }
//!
//! /// Greets people by name.
//! #[hecate_service(name = "hecate-greeter")]
//! impl Greeter {
//!     /// Greets one person.
//!     #[capability(version = 1, timeout = "5s")]
//!     pub async fn greet(&self, request: Greet) -> Result<Greeting, GreetRefusal> {
//!         if request.name.is_empty() { return Err(GreetRefusal::NoName) }
//!         Ok(Greeting { message: format!("Hello, {}!", request.name) })
//!     }
//! }
//!
//! # fn no_main() -> ExitCode {
//! hecate_om::run::<Greeter>() // is all of main
//! # }
//! ```
//!
//! From the block come, at compile time, the contract of the service ([`Service`]), its entry in the
//! [`registry`] and its [`manifest`]; [`run`] boots it, tells its health and answers calls;
//! [`testing`] does the same in a test.

#[doc(hidden)]
pub mod __private;
mod capability;
mod client;
mod command;
mod config;
mod context;
mod contract;
mod dispatch;
mod folder;
mod health;
mod lifecycle;
mod listener;
mod local;
pub mod manifest;
pub mod registry;
mod service;
mod telemetry;
pub mod testing;

use std::process::ExitCode;

pub use capability::{
    Call, CallId, Caller, Capability, CapabilityError, CapabilityInfo, ErrorCode, Refusal, RefusalCode, Reply, Request,
    Via,
};
pub use client::CallError;
pub use context::Context;
pub use health::Health;
pub use service::{IdentitySpec, Service, ServiceInfo, StartError};

pub use hecate_om_macros::{Refusal, capability, hecate_service, message};

/// What a service needs in scope.
pub mod prelude {
    pub use crate::{
        Call, CallError, Capability, CapabilityError, Context, Health, Refusal, Result, Service, StartError,
        capability, hecate_service, message,
    };
    pub use std::process::ExitCode;
}

/// A `Result` whose error, unless said otherwise, is a [`CapabilityError`].
pub type Result<T, E = CapabilityError> = std::result::Result<T, E>;

/// The whole `main` of a service: does what the command line says, which is to run, as a rule.
///
/// Boot, health, calls and drain are in here. The exit code tells a supervisor what to do; `--help`
/// lists it.
pub fn run<S: Service>() -> ExitCode {
    S::mark_as_run();
    command::main(service::Blueprint::of::<S>())
}
