//! From boot to exit: in which order things are taken, and given back.
//!
//! Two runtimes: this one, on the thread of the caller, does nothing but boot, health, signals and
//! drain, so that they work whatever handlers do; the workers run the service.

mod banner;
mod boot;
mod drain;
mod running;
mod signals;
mod steady;
mod watchdog;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::config::Config;
use crate::health::endpoint::Place;
use crate::notify::Supervisor;
use crate::service::Blueprint;
use crate::telemetry::Audience;

pub(crate) use banner::{announce, program};
pub(crate) use boot::BootError;
pub(crate) use signals::{Signal, Stop, signals};

/// The longest that a handler which blocks its thread keeps others waiting while threads are idle.
const PULSE: Duration = Duration::from_millis(50);

/// What is known of a service that is up.
pub(crate) struct Ready {
    pub(crate) blueprint: Blueprint,
    pub(crate) health: Place,
    pub(crate) socket: PathBuf,
    pub(crate) took: Duration,
}

/// What a service is run with.
pub(crate) struct Launch {
    pub(crate) blueprint: Blueprint,
    pub(crate) config: Config,
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) audience: Audience,
    /// Reads again what can change while the service runs; says what is wrong with it.
    pub(crate) reload: Box<dyn Fn() -> Result<(), String> + Send>,
}

/// Runs a service until somebody stops it; returns the exit code. `ready` is called once it is up.
///
/// # Errors
/// When it does not come up.
pub(crate) fn run(
    launch: Launch,
    signals: impl FnOnce() -> std::io::Result<mpsc::Receiver<Signal>>,
    ready: impl FnOnce(&Ready) + Send + 'static,
) -> Result<u8, BootError> {
    let begun = Instant::now();
    let control = Builder::new_current_thread().enable_all().build().map_err(BootError::Runtime)?;
    let workers = workers().map_err(BootError::Runtime)?;
    let code = control.block_on(async {
        // Before all else: a signal during boot must end it.
        let mut signals = signals().map_err(BootError::Runtime)?;
        tokio::spawn(keep_watched(workers.handle().clone()));
        match boot::boot(&launch, workers.handle(), &mut signals, begun).await? {
            boot::Outcome::Up(up) => Ok(steady::steady(up.open(&launch.supervisor, ready), &launch, signals).await),
            boot::Outcome::Stopped(code) => Ok(code),
        }
    });
    // A handler or a disk that blocks its thread must not keep the process.
    workers.shutdown_background();
    control.shutdown_background();
    code
}

/// Two threads at least: on one, a handler that blocks its thread would stop all others.
fn workers() -> std::io::Result<Runtime> {
    let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get().max(2));
    Builder::new_multi_thread().worker_threads(threads).enable_all().thread_name("hecate-worker").build()
}

/// Sees to it that somebody watches the sockets and timers of the workers while a handler blocks.
///
/// A worker that is woken by a socket keeps the watch until it parks again (tokio#4730). When a handler
/// holds it and the others sleep, nobody would see the next call, nor the deadline of another.
async fn keep_watched(workers: Handle) {
    let metrics = workers.metrics();
    let count = metrics.num_workers();
    let mut pulse = tokio::time::interval(PULSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pulse.tick().await;
        let asleep = (0..count).filter(|worker| metrics.worker_park_unpark_count(*worker) % 2 == 1).count();
        if (1..count).contains(&asleep) {
            // Whoever wakes for this takes the watch when it parks.
            workers.spawn(async {});
        }
    }
}
