//! From boot to exit: in which order things are taken, and given back.
//!
//! Two runtimes: this one, on the thread of the caller, does nothing but boot, health, signals and
//! drain, so that they work whatever handlers do; the workers run the service.

mod banner;
mod drain;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use crate::config::Config;
use crate::context::Surroundings;
use crate::dispatch::Dispatch;
use crate::exit;
use crate::folder::{FolderError, ServiceFolder};
use crate::health::board::{Board, Phase};
use crate::health::endpoint::{self, HealthError, Place, Told};
use crate::health::monitor::Checks;
use crate::health::pulse::Pulse;
use crate::local::LocalApi;
use crate::registry::{self, Duplicate};
use crate::service::{Blueprint, StartError, Started};

pub(crate) use banner::{announce, program};

/// How long a `start` that is given up may take to let go of what it holds: a signal during boot ends
/// the process within two seconds.
const ABANDON: Duration = Duration::from_secs(1);

/// Somebody wants the service to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
}

impl Stop {
    /// The exit code of a process that such a signal ends at once.
    fn exit_code(self) -> u8 {
        match self {
            Stop::Terminate => 128 + 15,
            Stop::Interrupt => 128 + 2,
        }
    }
}

/// Why a service did not come up.
#[derive(Debug, Error)]
pub(crate) enum BootError {
    #[error("this binary declares the same thing twice:{}", .0.iter().map(|duplicate| format!("\n  {duplicate}")).collect::<String>())]
    Duplicates(Vec<Duplicate>),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Health(#[from] HealthError),
    #[error("`start` of the service failed")]
    Start { exit_code: u8, source: Box<dyn Error + Send + Sync> },
    #[error("`start` of the service panicked")]
    StartPanicked(#[source] JoinError),
    #[error("the system gives this process no threads or timers")]
    Runtime(#[source] std::io::Error),
}

impl BootError {
    fn start(error: StartError) -> Self {
        let (exit_code, source) = error.into_parts();
        Self::Start { exit_code, source }
    }

    /// The exit code of the process, as in `sysexits.h`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            BootError::Duplicates(_) | BootError::StartPanicked(_) => exit::SOFTWARE,
            BootError::Folder(error) => error.exit_code(),
            BootError::Health(error) => error.exit_code(),
            BootError::Start { exit_code, .. } => *exit_code,
            BootError::Runtime(_) => exit::OS,
        }
    }
}

/// What is known of a service that is up.
pub(crate) struct Ready {
    pub(crate) blueprint: Blueprint,
    pub(crate) health: Place,
    pub(crate) socket: PathBuf,
    pub(crate) took: Duration,
}

/// Runs a service until somebody stops it; returns the exit code. `ready` is called once it is up.
///
/// # Errors
/// When it does not come up.
pub(crate) fn run(
    blueprint: Blueprint,
    config: &Config,
    stops: impl FnOnce() -> std::io::Result<mpsc::Receiver<Stop>>,
    ready: impl FnOnce(&Ready) + Send + 'static,
) -> Result<u8, BootError> {
    let begun = Instant::now();
    let control = Builder::new_current_thread().enable_all().build().map_err(BootError::Runtime)?;
    // Two at least: on one, a handler that blocks its thread would stop all others.
    let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get().max(2));
    let mut workers = Builder::new_multi_thread();
    let pulse = Pulse::of(workers.worker_threads(threads).enable_all().thread_name("hecate-worker"));
    let workers = workers.build().map_err(BootError::Runtime)?;
    let code = control.block_on(async {
        // Before all else: a signal during boot must end it.
        let stops = stops().map_err(BootError::Runtime)?;
        tokio::spawn(Arc::clone(&pulse).watch(workers.handle().clone()));
        let service = Boot { blueprint, config, workers: &workers, pulse, stops, begun };
        service.run(ready).await
    });
    // A handler that blocks its thread must not keep the process.
    workers.shutdown_background();
    code
}

/// SIGTERM and SIGINT, as long as the runtime of the caller lives.
pub(crate) fn signals() -> std::io::Result<mpsc::Receiver<Stop>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            let stop = tokio::select! {
                Some(()) = terminate.recv() => Stop::Terminate,
                Some(()) = interrupt.recv() => Stop::Interrupt,
                else => return,
            };
            if sender.send(stop).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// What boot needs.
struct Boot<'a> {
    blueprint: Blueprint,
    config: &'a Config,
    workers: &'a Runtime,
    pulse: Arc<Pulse>,
    stops: mpsc::Receiver<Stop>,
    begun: Instant,
}

/// What a running service holds.
struct Running<'a> {
    config: &'a Config,
    workers: &'a Runtime,
    folder: ServiceFolder,
    dispatch: Arc<Dispatch>,
    board: Arc<Board>,
    checks: Arc<Checks>,
    api: Arc<LocalApi>,
    api_task: JoinHandle<()>,
    health_task: JoinHandle<()>,
    service: Arc<Started>,
}

impl<'a> Boot<'a> {
    async fn run(mut self, ready: impl FnOnce(&Ready) + Send + 'static) -> Result<u8, BootError> {
        let info = self.blueprint.info;
        let duplicates = registry::duplicates_of(info);
        if !duplicates.is_empty() {
            return Err(BootError::Duplicates(duplicates));
        }
        let folder = ServiceFolder::claim(&self.config.runtime_dir, info.name)?;
        let dispatch = Dispatch::new(info);
        let board = Board::new(info, Arc::clone(&dispatch));
        let checks = Checks::new(Arc::clone(&board), self.workers.handle().clone());
        let counted = Arc::clone(&dispatch);
        self.pulse.report_to(Arc::clone(&board), move || counted.panics());

        let health = endpoint::bind(&self.config.health).await?;
        health.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let place = health.place.clone();
        folder.publish(&folder.paths.health_address(), &place.to_string())?;
        let (pulse, degraded_status) = (Arc::clone(&self.pulse), self.config.degraded_status);
        let health_task = tokio::spawn(health.serve(Told { board: Arc::clone(&board), pulse, degraded_status }));

        let listener = {
            let _workers = self.workers.enter();
            folder.listen()?
        };
        let api = LocalApi::new(self.blueprint, Arc::clone(&dispatch));
        let api_task = self.workers.spawn(Arc::clone(&api).serve(listener));

        board.boot_step("start");
        let mut starting = self.workers.spawn((self.blueprint.start)(Arc::new(Surroundings {
            info,
            config: self.config.clone(),
            board: Arc::clone(&board),
            checks: Arc::clone(&checks),
            workers: self.workers.handle().clone(),
        })));
        let (started, stopped) = tokio::select! {
            biased;
            started = &mut starting => (started, None),
            Some(stop) = self.stops.recv() => {
                tracing::info!("stopped while starting");
                starting.abort();
                // What was made so far is given back; a `start` that blocks its thread is not waited for.
                match tokio::time::timeout(ABANDON, starting).await {
                    // It was faster: what started is stopped.
                    Ok(Ok(Ok(started))) => (Ok(Ok(started)), Some(stop)),
                    _ => return Ok(0),
                }
            }
        };
        let mut started = started.map_err(BootError::StartPanicked)?.map_err(BootError::start)?;
        let handlers = std::mem::take(&mut started.handlers);
        let service = Arc::new(started);
        checks.register_service(Arc::clone(&service));
        board.boot_step("health");
        let early = match stopped {
            Some(stop) => Some(stop),
            None => tokio::select! {
                () = checks.first_round() => None,
                Some(stop) = self.stops.recv() => Some(stop),
            },
        };
        if early.is_none() {
            dispatch.open(handlers);
            board.enter(Phase::Running);
            let (socket, took) = (folder.paths.api_socket(), self.begun.elapsed());
            let up = Ready { blueprint: self.blueprint, health: place, socket, took };
            // It runs code of the author and writes to a terminal: not on this thread.
            self.workers.spawn_blocking(move || ready(&up));
        }
        tokio::spawn(Arc::clone(&checks).watch());
        let running = Running {
            config: self.config,
            workers: self.workers,
            folder,
            dispatch,
            board,
            checks,
            api,
            api_task,
            health_task,
            service,
        };
        let stop = match early {
            Some(stop) => stop,
            // The sender lives as long as this runtime; if it ever does not, stop in good order.
            None => self.stops.recv().await.unwrap_or(Stop::Terminate),
        };
        let calls = running.dispatch.in_flight();
        tracing::info!(?stop, calls, hint = "a second signal ends at once", "stopping");
        running.checks.stop();
        tokio::select! {
            code = running.drain() => Ok(code),
            Some(second) = self.stops.recv() => {
                tracing::warn!(?second, "stopped again: ending now");
                Ok(second.exit_code())
            }
        }
    }
}
