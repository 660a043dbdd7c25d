//! What cargo says of the package being compiled: the defaults of a service's manifest.

use crate::lock::Lock;

/// The package and the crate that hold a service.
#[derive(Debug, Default, Clone)]
pub(crate) struct Package {
    pub(crate) crate_name: String,
    pub(crate) version: String,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) repository: Option<String>,
    /// What its services promised before.
    pub(crate) lock: Option<Lock>,
}

/// The variables of [`Package::from_cargo`] that have no other way into the fingerprint of a build.
pub(crate) const TRACKED: [&str; 4] =
    ["CARGO_PKG_VERSION", "CARGO_PKG_DESCRIPTION", "CARGO_PKG_LICENSE", "CARGO_PKG_REPOSITORY"];

impl Package {
    /// Reads the environment in which cargo calls rustc; empty where there is no cargo.
    pub(crate) fn from_cargo() -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let package = var("CARGO_PKG_NAME").map(|name| name.replace('-', "_"));
        Self {
            crate_name: var("CARGO_CRATE_NAME").or(package).unwrap_or_else(|| "crate".to_owned()),
            version: var("CARGO_PKG_VERSION").unwrap_or_else(|| "0.0.0".to_owned()),
            description: var("CARGO_PKG_DESCRIPTION"),
            license: var("CARGO_PKG_LICENSE"),
            repository: var("CARGO_PKG_REPOSITORY"),
            lock: Lock::of_package(),
        }
    }
}
