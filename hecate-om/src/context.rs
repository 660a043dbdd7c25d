//! What a service is given when it starts. Settings, secrets, tasks and calls will join `info` here.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::config::Config;
use crate::health::board::Board;
use crate::service::{Service, ServiceInfo};

/// What the runtime knows and a service may use.
pub(crate) struct Surroundings {
    pub(crate) info: &'static ServiceInfo,
    pub(crate) config: Config,
    pub(crate) board: Arc<Board>,
    /// Where the service runs.
    pub(crate) workers: Handle,
}

/// The runtime's side of a service: owned, and cheap to clone.
///
/// ```
/// use hecate_om::prelude::*;
///
/// struct Greeter { context: Context<Self> }
///
/// #[hecate_service(name = "hecate-greeter")]
/// impl Greeter {
///     async fn start(context: Context<Self>) -> Result<Self, StartError> {
///         Ok(Self { context })
///     }
///
///     /// Tells its own name.
///     #[capability(version = 1)]
///     async fn hello(&self) -> Result<()> {
///         assert_eq!(self.context.info().name, "hecate-greeter");
///         Ok(())
///     }
/// }
/// ```
pub struct Context<S> {
    surroundings: Arc<Surroundings>,
    service: PhantomData<fn() -> S>,
}

impl<S> Context<S> {
    pub(crate) fn new(surroundings: Arc<Surroundings>) -> Self {
        Self { surroundings, service: PhantomData }
    }

    /// What the service declares of itself.
    pub fn info(&self) -> &'static ServiceInfo {
        self.surroundings.info
    }
}

impl<S: Service> Context<S> {
    /// The settings that the service has of its own, from the table `[service]` of a TOML file and from
    /// variables with its scope as prefix. They were read before anything else began.
    ///
    /// ```
    /// use hecate_om::prelude::*;
    ///
    /// #[settings]
    /// struct LibrarySettings {
    ///     /// How many books a person may have.
    ///     #[serde(default = "five")]
    ///     books: u8,
    /// }
    ///
    /// fn five() -> u8 { 5 }
    ///
    /// struct Library { books: u8 }
    ///
    /// /// Lends books.
    /// #[hecate_service(name = "hecate-library", settings = LibrarySettings)]
    /// impl Library {
    ///     async fn start(context: Context<Self>) -> Result<Self, StartError> {
    ///         Ok(Self { books: context.settings().books }) // LIBRARY_BOOKS, or `books` in `[service]`
    ///     }
    /// }
    /// ```
    pub fn settings(&self) -> &S::Settings {
        match self.surroundings.config.settings.get() {
            Some(settings) => settings,
            // A blueprint reads the settings of its own service.
            None => unreachable!("the settings of another service"),
        }
    }
}

impl<S> Clone for Context<S> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.surroundings))
    }
}

impl<S> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({})", self.surroundings.info.name)
    }
}
