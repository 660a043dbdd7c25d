//! The contract of a service: what `#[hecate_service]` generates, and the types of its six callbacks.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::capability::{Bound, CapabilityInfo, HandlerContract, Handlers};
use crate::config::{SettingsType, Shape};
use crate::context::{Context, Surroundings, exit_code_of};
use crate::exit;
use crate::health::Health;

/// A service: `#[hecate_service]` implements this, nobody else should.
///
/// The methods bear other names than the callbacks (`start`, `stop`, `health`), so that an
/// implementation can never call itself by mistake.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Hecate service",
    label = "this type has no service block",
    note = "help: write `#[hecate_service(name = \"hecate-...\")]` above its `impl` block"
)]
pub trait Service: Send + Sync + Sized + 'static {
    /// What is known of the service at compile time.
    #[doc(hidden)]
    const INFO: &'static ServiceInfo;

    /// Its name, apart from [`INFO`](Self::INFO), so that two services may use each other.
    #[doc(hidden)]
    const SERVICE_NAME: &'static str;

    /// The settings that the service has of its own; `()` if it has none.
    type Settings: 'static;

    /// How they are read.
    #[doc(hidden)]
    fn settings_type() -> SettingsType;

    #[doc(hidden)]
    fn describe_handlers(handlers: &mut Handlers<Self>)
    where
        for<'a> Self: Shared<'a>;

    /// Calls `start`.
    #[doc(hidden)]
    fn boot(context: Context<Self>) -> Callback<'static, Result<Self, StartError>>
    where
        for<'a> Self: Shared<'a>;

    /// Calls `stop`.
    #[doc(hidden)]
    fn shut_down(&self) -> Callback<'_, ()>
    where
        for<'a> Self: Shared<'a>;

    /// Calls `health`.
    #[doc(hidden)]
    fn probe(&self) -> Callback<'_, Health>
    where
        for<'a> Self: Shared<'a>;

    /// Names the manifest of the service in the binary that runs it.
    #[doc(hidden)]
    fn mark_as_run();
}

/// `Send + Sync + 'static`, which every service is: [`Service`] demands it.
///
/// A concrete type is taken at its word where this is a condition with a lifetime, so that one that is
/// not shared is told once, on the type, and not again for each callback and handler.
#[doc(hidden)]
pub trait Shared<'a>: Send + Sync + 'static {}

impl<S: Send + Sync + 'static> Shared<'_> for S {}

/// A callback at work.
#[doc(hidden)]
pub type Callback<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where a service finds its secrets where neither it nor anybody else says more.
pub(crate) const DEFAULT_SECRETS: &str = "/etc/hecate/secrets";

/// What is known of a service at compile time.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// The kebab-case name, `hecate-greeter`.
    pub name: &'static str,
    /// The SemVer version.
    pub version: &'static str,
    /// What it does, in one line.
    pub description: &'static str,
    /// The type that implements it, `<crate>::<type>`.
    pub callback_module: &'static str,
    /// Where its block stands, `<file>:<line>`.
    pub declared_at: &'static str,
    /// What it offers.
    pub capabilities: &'static [CapabilityInfo],
    /// What its identity asks of the realm.
    pub identity: IdentitySpec,
    /// The port of its health listener where nothing else is configured.
    pub health_port: u16,
    /// Where its secrets are where nothing else is configured.
    pub secrets: &'static str,
    /// Where it keeps what lasts when it belongs to the box and not to a user, and nothing else is configured.
    pub state: &'static str,
    /// Its `manifest.json`, byte for byte.
    pub manifest: &'static str,
    /// What it may call.
    pub uses: &'static [Use],
}

/// What a service says that it may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Use {
    /// Whatever a service offers.
    Service {
        /// Its name, `hecate-rag`.
        name: &'static str,
        /// Name and version of what it offers to callers with a token only, where its crate is not linked;
        /// of one that is linked the registry tells.
        closed: &'static [(&'static str, u16)],
    },
    /// One capability, by reference.
    Capability {
        /// `<org>/<name>`, or `<name>` in the org of the caller.
        reference: &'static str,
        /// The version.
        version: u16,
    },
}

/// A service that can be called: one that `#[hecate_service]` makes, or one that [`remote_service!`]
/// describes. Nobody else should implement this.
///
/// [`remote_service!`]: crate::remote_service
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no service that can be called",
    label = "this type has no service block",
    note = "help: name a type with `#[hecate_service(...)]`, or describe a service of another program with `remote_service!`"
)]
pub trait Provider {
    /// Its name, `hecate-greeter`.
    const NAME: &'static str;

    #[doc(hidden)]
    const CLOSED: &'static [(&'static str, u16)] = &[];
}

#[diagnostic::do_not_recommend]
impl<S: Service> Provider for S {
    const NAME: &'static str = S::SERVICE_NAME;
}

/// A service that says, with `uses(...)`, that it calls `P`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not declare that it uses `{P}`",
    label = "this call is not declared",
    note = "help: add `uses({P})` to `#[hecate_service(...)]` of `{Self}`"
)]
pub trait Uses<P> {}

#[diagnostic::do_not_recommend]
impl<S: Service> Uses<S> for S {}

impl ServiceInfo {
    #[doc(hidden)]
    #[allow(clippy::too_many_arguments)]
    pub const fn new(
        name: &'static str,
        version: &'static str,
        description: &'static str,
        callback_module: &'static str,
        declared_at: &'static str,
        capabilities: &'static [CapabilityInfo],
        identity: IdentitySpec,
        health_port: u16,
        manifest: &'static str,
    ) -> Self {
        Self {
            name,
            version,
            description,
            callback_module,
            declared_at,
            capabilities,
            identity,
            health_port,
            secrets: DEFAULT_SECRETS,
            state: "/var/lib/hecate",
            manifest,
            uses: &[],
        }
    }

    #[doc(hidden)]
    pub const fn volumes(mut self, secrets: &'static str, state: &'static str) -> Self {
        (self.secrets, self.state) = (secrets, state);
        self
    }

    #[doc(hidden)]
    pub const fn uses(mut self, uses: &'static [Use]) -> Self {
        self.uses = uses;
        self
    }
}

/// What a service asks of its realm: the UCAN that its identity needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentitySpec {
    /// The scope of everything it does.
    pub scope: &'static str,
    /// What it does, `answer:<name>@<version>`.
    pub actions: &'static [&'static str],
    /// What it does that to.
    pub resources: &'static [&'static str],
    /// How long the permission should last, in days, 1 to 365.
    pub ttl_days: u16,
}

impl IdentitySpec {
    #[doc(hidden)]
    pub const fn new(
        scope: &'static str,
        actions: &'static [&'static str],
        resources: &'static [&'static str],
        ttl_days: u16,
    ) -> Self {
        Self { scope, actions, resources, ttl_days }
    }
}

/// Why a service could not start, and whether starting again may help.
///
/// Any error becomes one through `?`, with exit code 70, or that of the [`SecretError`], [`DataDirError`]
/// or [`SpawnError`] that it is or was caused by; [`retry`](Self::retry) and [`config`](Self::config)
/// choose another one for the supervisor to act on.
///
/// [`SecretError`]: crate::SecretError
/// [`DataDirError`]: crate::DataDirError
/// [`SpawnError`]: crate::SpawnError
///
/// ```
/// use hecate_om::prelude::*;
///
/// fn read_model() -> Result<String, StartError> {
///     if std::env::var_os("MODEL").is_none_or(|model| model.is_empty()) {
///         return Err(StartError::config("MODEL is not set: give it the path of a model"));
///     }
///     Ok(std::fs::read_to_string("model")?)
/// }
/// assert_eq!(read_model().unwrap_err().exit_code(), 78);
/// ```
#[derive(Debug)]
pub struct StartError {
    exit_code: u8,
    source: Box<dyn Error + Send + Sync>,
}

impl StartError {
    /// Something is not there yet: exit code 75, a supervisor starts again.
    pub fn retry(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit_code: exit::TRY_AGAIN, source: source.into() }
    }

    /// The configuration is wrong: exit code 78, starting again is no use.
    pub fn config(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit_code: exit::CONFIG, source: source.into() }
    }

    /// The exit code of the process, as in `sysexits.h`.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    pub(crate) fn into_parts(self) -> (u8, Box<dyn Error + Send + Sync>) {
        (self.exit_code, self.source)
    }

    /// The error itself.
    pub fn source(&self) -> &(dyn Error + 'static) {
        &*self.source
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for StartError {
    fn from(source: E) -> Self {
        let exit_code = exit_code_of(&source).unwrap_or(exit::SOFTWARE);
        Self { exit_code, source: Box::new(source) }
    }
}

pub(crate) type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A service type as the runtime sees it: everything generic ends here.
#[derive(Clone, Copy)]
pub(crate) struct Blueprint {
    pub(crate) info: &'static ServiceInfo,
    pub(crate) settings: SettingsType,
    pub(crate) contracts: fn() -> Vec<HandlerContract>,
    pub(crate) start: fn(Arc<Surroundings>) -> Task<Result<Started, StartError>>,
}

/// A service that has started.
pub(crate) struct Started {
    /// Its handlers, in the order of its capabilities.
    pub(crate) handlers: Vec<Bound>,
    pub(crate) health: Box<dyn Fn() -> Task<Health> + Send + Sync>,
    pub(crate) stop: Box<dyn Fn() -> Task<()> + Send + Sync>,
}

impl Blueprint {
    pub(crate) fn of<S: Service>() -> Self {
        Self {
            info: S::INFO,
            settings: S::settings_type(),
            contracts: contracts::<S>,
            start: |surroundings| Box::pin(start::<S>(surroundings)),
        }
    }

    /// What the settings of the service look like.
    pub(crate) fn shape(&self) -> Shape {
        self.settings.shape(self.info.identity.scope)
    }
}

fn contracts<S: Service>() -> Vec<HandlerContract> {
    handlers::<S>().contracts()
}

fn handlers<S: Service>() -> Handlers<S> {
    let mut handlers = Handlers::new();
    S::describe_handlers(&mut handlers);
    handlers
}

async fn start<S: Service>(surroundings: Arc<Surroundings>) -> Result<Started, StartError> {
    let calls = Arc::clone(&surroundings.calls);
    let service = Arc::new(S::boot(Context::new(surroundings)).await?);
    let handlers = handlers::<S>().bind(&service, &calls);
    let (probed, stopped) = (Arc::clone(&service), service);
    Ok(Started {
        handlers,
        health: Box::new(move || {
            let service = Arc::clone(&probed);
            Box::pin(async move { service.probe().await })
        }),
        stop: Box::new(move || {
            let service = Arc::clone(&stopped);
            Box::pin(async move { service.shut_down().await })
        }),
    })
}
