//! The settings of this process, as a service would read them, and the threads to act on them.

use hecate_om::outside::Outside;
use tokio::runtime::{Builder, Runtime};

use crate::failure::{Failure, OS};

/// A caller outside of any service.
///
/// # Errors
/// Everything that is wrong with the settings.
pub(crate) fn outside() -> Result<Outside, Failure> {
    let outside = Outside::from_env().map_err(|error| Failure::new(error.exit_code(), error.to_string()))?;
    Ok(outside)
}

/// The threads for what waits.
///
/// # Errors
/// When the system gives none.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let built = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    built.map_err(|error| Failure::new(OS, format!("the system gives no thread: {error}")))
}
