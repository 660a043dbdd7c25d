//! From boot to exit: in which order things are taken, and given back.
//!
//! Two runtimes: this one, on the thread of the caller, does nothing but boot, health, signals and
//! drain, so that they work whatever handlers do; the workers run the service.

mod banner;
mod boot;
mod drain;
mod on_mesh;
mod running;
mod signals;
mod steady;
mod watchdog;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::health::endpoint::Place;
use crate::health::pulse::Pulse;
use crate::notify::Supervisor;
use crate::service::{Blueprint, Started};
use crate::telemetry::Audience;

pub(crate) use banner::{announce, program};
pub(crate) use boot::BootError;
#[cfg(feature = "macula")]
pub(crate) use on_mesh::inspect_identity;
pub(crate) use signals::{Signal, Stop, signals};

/// How many threads a service needs besides its workers: those that do what may block, on the control
/// runtime and on that of the workers, the watchdog's, and those of the mesh and its station.
const SPARE_THREADS: usize = if cfg!(feature = "macula") { 8 } else { 3 };

/// How long the value of a service may take to be dropped.
const LET_GO: Duration = Duration::from_secs(1);

/// What is known of a service that is up.
pub(crate) struct Ready {
    pub(crate) blueprint: Blueprint,
    pub(crate) health: Place,
    pub(crate) socket: PathBuf,
    /// Where on the mesh, in words.
    pub(crate) mesh: String,
    pub(crate) took: Duration,
}

/// What a service is run with.
pub(crate) struct Launch {
    pub(crate) blueprint: Blueprint,
    pub(crate) config: Config,
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) audience: Audience,
    /// Reads again what can change while the service runs; says what is wrong with it.
    pub(crate) reload: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
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
    // Two at least: on one, a handler that blocks its thread would stop all others.
    let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get().max(2));
    check_threads(threads + SPARE_THREADS).map_err(BootError::Threads)?;
    let mut workers = Builder::new_multi_thread();
    let pulse = Pulse::of(workers.worker_threads(threads).enable_all().thread_name("hecate-worker"));
    let workers = workers.build().map_err(BootError::Runtime)?;
    // Its last owner is below: what an author drops must not hold up or break a drain.
    let service = OnceLock::new();
    let code = control.block_on(async {
        // Before all else: a signal during boot must end it.
        let mut signals = signals().map_err(BootError::Runtime)?;
        tokio::spawn(Arc::clone(&pulse).watch(workers.handle().clone()));
        match boot::boot(&launch, &pulse, workers.handle(), &mut signals, &service, begun).await? {
            boot::Outcome::Up(up) => Ok(steady::steady(up.open(&launch, ready), &launch, signals).await),
            boot::Outcome::Stopped(code) => Ok(code),
        }
    });
    // A handler or a disk that blocks its thread must not keep the process.
    workers.shutdown_background();
    control.shutdown_background();
    let_go(service.into_inner());
    code
}

/// Whether the system gives so many threads at once: tokio panics, or hangs, where it does not.
fn check_threads(count: usize) -> std::io::Result<()> {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    std::thread::scope(|scope| {
        let wait = || {
            let _ = held.lock().map(|held| held.recv());
        };
        let made = (0..count).try_for_each(|_| std::thread::Builder::new().spawn_scoped(scope, wait).map(drop));
        drop(release);
        made
    })
}

/// Drops a service on a thread of its own, where it may block, panic, or hold a runtime.
fn let_go(service: Option<Arc<Started>>) {
    let (ends, ended) = std::sync::mpsc::channel::<()>();
    let drop_it = move || {
        // Gone last, also when the service panics.
        let _ends = ends;
        drop(service);
    };
    if std::thread::Builder::new().name("hecate-end".to_owned()).spawn(drop_it).is_ok() {
        let _ = ended.recv_timeout(LET_GO);
    }
}

#[cfg(test)]
mod tests;
