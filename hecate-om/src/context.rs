//! What a service is given when it starts. Settings, secrets, tasks and calls will join `info` here.

use std::fmt;
use std::marker::PhantomData;

use crate::service::ServiceInfo;

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
    info: &'static ServiceInfo,
    service: PhantomData<fn() -> S>,
}

impl<S> Context<S> {
    pub(crate) fn new(info: &'static ServiceInfo) -> Self {
        Self { info, service: PhantomData }
    }

    /// What the service declares of itself.
    pub fn info(&self) -> &'static ServiceInfo {
        self.info
    }
}

impl<S> Clone for Context<S> {
    fn clone(&self) -> Self {
        Self { info: self.info, service: PhantomData }
    }
}

impl<S> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({})", self.info.name)
    }
}
