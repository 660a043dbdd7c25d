//! Signs of life for a supervisor with a watchdog.
//!
//! From a thread of its own, and only while the workers run what they are given: a process that is
//! alive and does nothing any more is one that the supervisor should end.

use std::io;
use std::sync::Arc;

use crate::health::pulse::Pulse;
use crate::notify::Supervisor;

/// Feeds the watchdog, if there is one, as long as somebody feels the pulse.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn feed(supervisor: &Arc<Supervisor>, pulse: &Arc<Pulse>) -> io::Result<()> {
    let Some(every) = supervisor.watchdog() else { return Ok(()) };
    let (supervisor, pulse) = (Arc::clone(supervisor), Arc::downgrade(pulse));
    let feed = move || {
        while let Some(pulse) = pulse.upgrade() {
            if pulse.alive() {
                supervisor.feed_watchdog();
            } else {
                tracing::error!("the workers do not run: the watchdog gets no sign of life");
            }
            drop(pulse);
            std::thread::sleep(every / 2);
        }
    };
    std::thread::Builder::new().name("hecate-watchdog".to_owned()).spawn(feed)?;
    Ok(())
}
