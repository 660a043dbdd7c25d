//! The services that are linked into this binary, collected by the linker.
//!
//! Being listed does not make a service live: only the one given to [`run`](crate::run) starts.

use thiserror::Error;

use crate::capability::CapabilityInfo;
use crate::service::ServiceInfo;

#[doc(hidden)]
pub struct Registration(pub &'static ServiceInfo);

inventory::collect!(Registration);

/// The services in this binary, by name.
///
/// A library's services are here when the binary uses something of that library; a dependency that
/// is never named is not linked (`use my_services as _;` is enough).
///
/// ```standalone_crate
/// # use hecate_om::prelude::*;
/// # #[derive(Default)] struct Greeter;
/// #[hecate_service(name = "hecate-greeter")]
/// impl Greeter {
///     /// Says hello.
///     #[capability(version = 1)]
///     async fn hello(&self) -> Result<()> { Ok(()) }
/// }
/// # fn main() {
/// let names: Vec<_> = hecate_om::registry::services().iter().map(|service| service.name).collect();
/// assert_eq!(names, ["hecate-greeter"]);
/// # }
/// ```
pub fn services() -> Vec<&'static ServiceInfo> {
    let mut services: Vec<_> = inventory::iter::<Registration>().map(|registration| registration.0).collect();
    services.sort_by_key(|service| (service.name, service.callback_module));
    services
}

/// Every capability in this binary with the service that declares it, by name and version.
pub fn capabilities() -> Vec<(&'static ServiceInfo, &'static CapabilityInfo)> {
    let declared =
        |service: &'static ServiceInfo| service.capabilities.iter().map(move |capability| (service, capability));
    let mut capabilities: Vec<_> = services().into_iter().flat_map(declared).collect();
    capabilities.sort_by_key(|(_, capability)| (capability.name, capability.version));
    capabilities
}

/// A name or capability that two types in one binary both claim.
#[derive(Debug, Error)]
#[error(
    "{what} is declared by `{}` ({}) and by `{}` ({}); help: rename one of them, or raise its version",
    .first.callback_module, .first.declared_at, .second.callback_module, .second.declared_at
)]
pub(crate) struct Duplicate {
    what: String,
    first: &'static ServiceInfo,
    second: &'static ServiceInfo,
}

/// What `service` declares that another service in this binary declares, too.
pub(crate) fn duplicates_of(service: &'static ServiceInfo) -> Vec<Duplicate> {
    let mut found = Vec::new();
    for other in services().into_iter().filter(|other| !std::ptr::eq(*other, service)) {
        if other.name == service.name {
            found.push(Duplicate { what: format!("service `{}`", service.name), first: service, second: other });
        }
        for capability in service.capabilities {
            if other
                .capabilities
                .iter()
                .any(|theirs| theirs.name == capability.name && theirs.version == capability.version)
            {
                let what = format!("capability `{}` version {}", capability.name, capability.version);
                found.push(Duplicate { what, first: service, second: other });
            }
        }
    }
    found
}
