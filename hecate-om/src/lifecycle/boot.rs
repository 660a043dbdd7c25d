//! Boot in phases. Each is a type that only the one before it can make, so that nothing happens out of
//! order: a service that did not start cannot be opened for calls.
//!
//! Before these come the command line, the configuration and the log. Each phase has a limit, a line
//! in the log, a status for the supervisor and exit codes, and ends when the service is stopped.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::on_mesh::{Identified, OnMesh};
use super::running::{Owned, Running, Up};
use super::signals::{Signal, Stop, next_stop};
use super::{Launch, Ready, drain};
use crate::config::mesh::MeshConfig;
use crate::context::Surroundings;
use crate::dispatch::Dispatch;
use crate::exit;
use crate::folder::{FolderError, ServiceFolder};
use crate::health::board::Board;
use crate::health::endpoint::{self, HealthError, Place, Told};
use crate::health::monitor::Checks;
use crate::health::pulse::Pulse;
#[cfg(feature = "macula")]
use crate::identity::IdentityError;
use crate::local::LocalApi;
use crate::registry::{self, Duplicate};
use crate::service::{Blueprint, StartError, Started};
use crate::tasks::Tasks;
use crate::telemetry::{Audience, millis};

/// How long a phase may take that asks the system only for what it has at once.
const LIMIT: Duration = Duration::from_secs(10);

/// How long the first boot may take to make a key: both halves of a hybrid one take seconds, and ten times
/// that on a box that is busy.
const IDENTITY: Duration = Duration::from_secs(60);

/// How long a `start` that is given up may take to let go of what it holds: a signal during boot ends
/// the process within two seconds.
const ABANDON: Duration = Duration::from_secs(1);

/// Why a service did not come up.
#[derive(Debug, Error)]
pub(crate) enum BootError {
    #[error("this binary declares the same thing twice:{}", .0.iter().map(|duplicate| format!("\n  {duplicate}")).collect::<String>())]
    Duplicates(Vec<Duplicate>),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[cfg(feature = "macula")]
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(
        "HECATE_MESH is not set, and a release build without a terminal must be told: on the mesh of this box alone it would look well and be found by nobody; help: set `required` and the stations, `auto` for the development mesh of this box, or `off`"
    )]
    MeshNotChosen,
    #[error(transparent)]
    Health(#[from] HealthError),
    #[error("`start` of the service failed")]
    Start { exit_code: u8, source: Box<dyn Error + Send + Sync> },
    #[error("`start` of the service panicked")]
    StartPanicked(#[source] JoinError),
    #[error("`start` of the service did not end within {0:?}; help: HECATE_START_TIMEOUT gives it more time")]
    StartTooSlow(Duration),
    #[error(
        "the system did not answer within {limit:?} while {phase}; help: look at the disk that holds HECATE_RUNTIME_DIR"
    )]
    Stuck { phase: &'static str, limit: Duration },
    #[error(
        "the system does not give this process the threads that it needs; help: raise the limit on them (TasksMax, PidsLimit, ulimit -u)"
    )]
    Threads(#[source] std::io::Error),
    #[error("the system gives this process no threads or timers")]
    Runtime(#[source] std::io::Error),
}

impl BootError {
    fn start(error: StartError) -> Self {
        let (exit_code, source) = error.into_parts();
        Self::Start { exit_code, source }
    }

    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            BootError::Duplicates(_) | BootError::StartPanicked(_) => exit::SOFTWARE,
            BootError::Folder(error) => error.exit_code(),
            #[cfg(feature = "macula")]
            BootError::Identity(error) => error.exit_code(),
            BootError::MeshNotChosen => exit::CONFIG,
            BootError::Health(error) => error.exit_code(),
            BootError::Start { exit_code, .. } => *exit_code,
            BootError::StartTooSlow(_) => exit::TRY_AGAIN,
            BootError::Stuck { .. } => exit::IO,
            BootError::Threads(_) | BootError::Runtime(_) => exit::OS,
        }
    }
}

/// What boot came to.
pub(super) enum Outcome {
    /// The service can take calls.
    Up(Box<Up>),
    /// It was stopped on its way, in order; the exit code.
    Stopped(u8),
}

/// Why a phase did not lead to the next.
enum Ended {
    Stopped(Stop),
    Failed(BootError),
}

impl<E: Into<BootError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Ended::Failed(error.into())
    }
}

/// Goes through the phases.
pub(super) async fn boot(
    launch: &Launch,
    pulse: &Arc<Pulse>,
    workers: &Handle,
    signals: &mut mpsc::Receiver<Signal>,
    service: &OnceLock<Arc<Started>>,
    begun: Instant,
) -> Result<Outcome, BootError> {
    let mut steps = Steps { launch, pulse, signals, service, begun };
    let listening = async {
        let claimed = Claimed::take(&mut steps, workers).await?.identify(&mut steps).await?;
        claimed.serve_health(&mut steps).await?.listen(&mut steps).await
    };
    let begun = match listening.await {
        Ok(listening) => listening.start(&mut steps).await,
        Err(ended) => Err(ended),
    };
    match begun {
        Ok(begun) => begun.look(&mut steps).await,
        Err(Ended::Stopped(stop)) => {
            tracing::info!(?stop, "stopped while starting");
            Ok(Outcome::Stopped(exit::STOPPED))
        }
        Err(Ended::Failed(error)) => Err(error),
    }
}

/// What leads through the phases.
struct Steps<'a> {
    launch: &'a Launch,
    pulse: &'a Arc<Pulse>,
    signals: &'a mut mpsc::Receiver<Signal>,
    /// Keeps what started until all is over.
    service: &'a OnceLock<Arc<Started>>,
    begun: Instant,
}

impl Steps<'_> {
    /// One phase: told before, bounded, told after.
    async fn step<T, E: Into<BootError>>(
        &mut self,
        phase: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Ended> {
        self.step_within(LIMIT, phase, work).await
    }

    async fn step_within<T, E: Into<BootError>>(
        &mut self,
        limit: Duration,
        phase: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Ended> {
        let begun = Instant::now();
        self.launch.supervisor.status(&format!("starting: {phase}"));
        let done = tokio::select! {
            biased;
            stop = next_stop(self.signals) => return Err(Ended::Stopped(stop)),
            done = tokio::time::timeout(limit, work) => done,
        };
        let done = done.map_err(|_| BootError::Stuck { phase, limit })?.map_err(Into::into)?;
        self.told(phase, begun);
        Ok(done)
    }

    /// Waits for `start`. Where it does not come to a service, what it began ends with it.
    async fn until_started(
        &mut self,
        mut starting: JoinHandle<Result<Started, StartError>>,
        tasks: &Tasks,
        workers: &Handle,
        limit: Duration,
    ) -> Result<(Started, Option<Stop>), Ended> {
        let given_up = tokio::select! {
            biased;
            started = &mut starting => {
                let started = started.map_err(BootError::StartPanicked).and_then(|started| started.map_err(BootError::start));
                return match started {
                    Ok(started) => Ok((started, None)),
                    Err(error) => {
                        tasks.end(ABANDON).await;
                        Err(error.into())
                    }
                };
            }
            stop = next_stop(self.signals) => Ended::Stopped(stop),
            () = tokio::time::sleep(limit) => BootError::StartTooSlow(limit).into(),
        };
        starting.abort();
        // A `start` that blocks its thread is not waited for.
        let (last, _) = tokio::join!(tokio::time::timeout(ABANDON, starting), tasks.end(ABANDON));
        match (given_up, last) {
            // It was faster: what started is stopped.
            (Ended::Stopped(stop), Ok(Ok(Ok(started)))) => Ok((started, Some(stop))),
            (given_up, last) => {
                if let Ok(Ok(Ok(started))) = last {
                    self.stop_late(&started, workers).await;
                }
                Err(given_up)
            }
        }
    }

    /// What started although nobody waits for it any more is owed its `stop`.
    async fn stop_late(&mut self, started: &Started, workers: &Handle) {
        let limit = drain::of_stop(self.launch.config.stop_timeout);
        tokio::select! {
            biased;
            _ = next_stop(self.signals) => {}
            _ = tokio::time::timeout(limit, workers.spawn((started.stop)())) => {}
        }
    }

    /// A person waits for the whole and not for its parts.
    fn told(&self, phase: &'static str, begun: Instant) {
        let took_ms = millis(begun.elapsed());
        match self.launch.audience {
            Audience::Machine => tracing::info!(phase, took_ms, "phase of boot ended"),
            Audience::Person => tracing::debug!(phase, took_ms, "phase of boot ended"),
        }
    }
}

/// The folder of the service is ours.
struct Claimed {
    blueprint: Blueprint,
    workers: Handle,
    folder: ServiceFolder,
    dispatch: Arc<Dispatch>,
    board: Arc<Board>,
    checks: Arc<Checks>,
    tasks: Arc<Tasks>,
}

impl Claimed {
    async fn take(steps: &mut Steps<'_>, workers: &Handle) -> Result<Self, Ended> {
        let blueprint = steps.launch.blueprint;
        let (info, place) = (blueprint.info, steps.launch.config.runtime_dir.clone());
        let duplicates = registry::duplicates_of(info);
        if !duplicates.is_empty() {
            return Err(BootError::Duplicates(duplicates).into());
        }
        // On a thread that may hang: the folder can be on a disk that does.
        let claim = tokio::task::spawn_blocking(move || ServiceFolder::claim(&place, info.name));
        let claim = async { claim.await.map_err(|error| BootError::Runtime(error.into()))?.map_err(BootError::Folder) };
        let folder = steps.step("claiming the folder", claim).await?;
        let dispatch = Dispatch::new(info);
        let board = Board::new(info, Arc::clone(&dispatch));
        let checks = Checks::new(Arc::clone(&board), workers.clone());
        let tasks = Arc::new(Tasks::new(workers.clone(), Arc::clone(&board)));
        let counted = Arc::clone(&dispatch);
        steps.pulse.report_to(Arc::clone(&board), move || counted.panics());
        Ok(Self { blueprint, workers: workers.clone(), folder, dispatch, board, checks, tasks })
    }

    /// Who the service is: a key that is lost or open to others ends the boot before anything is told.
    async fn identify(self, steps: &mut Steps<'_>) -> Result<IdentifiedClaim, Ended> {
        if must_choose_mesh(&steps.launch.config.mesh, steps.launch.audience, cfg!(debug_assertions)) {
            return Err(BootError::MeshNotChosen.into());
        }
        let config = steps.launch.config.clone();
        let read = tokio::task::spawn_blocking(move || Identified::read(&config));
        let read = async { read.await.map_err(|error| BootError::Runtime(error.into()))? };
        let identified = steps.step_within(IDENTITY, "reading the identity", read).await?;
        Ok(IdentifiedClaim { claimed: self, identified })
    }
}

/// Whether nobody said on which mesh the service is to be, and nobody looks who would see that it is a small one.
pub(super) fn must_choose_mesh(mesh: &MeshConfig, audience: Audience, is_debug: bool) -> bool {
    audience == Audience::Machine && !is_debug && !mesh.is_chosen && mesh.stations.is_empty()
}

/// It is known who the service is.
struct IdentifiedClaim {
    claimed: Claimed,
    identified: Identified,
}

impl IdentifiedClaim {
    async fn serve_health(self, steps: &mut Steps<'_>) -> Result<Healthy, Ended> {
        let Self { claimed, identified } = self;
        let bind = async { endpoint::bind(&steps.launch.config.health).await };
        let health = steps.step("opening health", bind).await?;
        health.warnings.iter().for_each(|warning| match steps.launch.audience {
            Audience::Machine => tracing::warn!("{warning}"),
            // The banner tells where health is, and a second service on a box is nothing to be warned of.
            Audience::Person => tracing::info!("{warning}"),
        });
        let place = health.place.clone();
        claimed.folder.publish(&claimed.folder.paths.health_address(), &place.to_string())?;
        let tasks = Arc::clone(&claimed.tasks);
        let serving = tokio::spawn(health.serve(Told {
            board: Arc::clone(&claimed.board),
            pulse: Arc::clone(steps.pulse),
            restarts: Arc::new(move || tasks.restarts()),
            degraded_status: steps.launch.config.degraded_status,
        }));
        Ok(Healthy { claimed, identified, place, serving: Owned(serving) })
    }
}

/// Health is served: alive, and starting.
struct Healthy {
    claimed: Claimed,
    identified: Identified,
    place: Place,
    serving: Owned<()>,
}

impl Healthy {
    async fn listen(self, steps: &mut Steps<'_>) -> Result<Listening, Ended> {
        let listen = async {
            let _workers = self.claimed.workers.enter();
            self.claimed.folder.listen()
        };
        let listener = steps.step("opening the socket", listen).await?;
        Ok(Listening { healthy: self, listener })
    }
}

/// The socket is there; calls are told to wait.
struct Listening {
    healthy: Healthy,
    listener: UnixListener,
}

impl Listening {
    async fn start(self, steps: &mut Steps<'_>) -> Result<Begun, Ended> {
        let Listening { healthy: Healthy { claimed, identified, place, serving }, listener } = self;
        let Claimed { blueprint, workers, folder, dispatch, board, checks, tasks } = claimed;
        let api = LocalApi::new(blueprint, Arc::clone(&dispatch));
        let answering = Owned(workers.spawn(Arc::clone(&api).serve(listener)));

        let config = &steps.launch.config;
        let (begun, limit) = (Instant::now(), config.start_timeout);
        steps.launch.supervisor.status("starting: `start` of the service");
        board.boot_step("start");
        let (told, asked) = (Arc::clone(&board), Arc::clone(&checks));
        let surroundings = Surroundings::new(blueprint.info, config.clone(), told, asked, tasks);
        let surroundings = Arc::new(surroundings);
        let starting = workers.spawn((blueprint.start)(Arc::clone(&surroundings)));
        let (mut started, stopped) = steps.until_started(starting, &surroundings.tasks, &workers, limit).await?;
        steps.told("start", begun);
        let handlers = std::mem::take(&mut started.handlers);
        let service = Arc::clone(steps.service.get_or_init(|| Arc::new(started)));
        checks.register_service(Arc::clone(&service));
        let running = Running {
            workers,
            folder,
            dispatch,
            board,
            api,
            _answering: answering,
            serving,
            surroundings,
            service,
            handlers,
            checks,
            nearby: None,
            mesh: OnMesh::default(),
        };
        Ok(Begun { running, identified, blueprint, place, stopped })
    }
}

/// `start` returned `Ok`: from here on, `stop` will run.
struct Begun {
    running: Running,
    identified: Identified,
    blueprint: Blueprint,
    place: Place,
    stopped: Option<Stop>,
}

impl Begun {
    /// Looks at its health once, so that the first answer is no guess.
    async fn look(self, steps: &mut Steps<'_>) -> Result<Outcome, BootError> {
        let Self { running, identified, blueprint, place, mut stopped } = self;
        if stopped.is_none() {
            let begun = Instant::now();
            steps.launch.supervisor.status("starting: looking at health");
            running.board.boot_step("health");
            tokio::select! {
                biased;
                stop = next_stop(steps.signals) => stopped = Some(stop),
                () = running.checks.first_round() => steps.told("health", begun),
            }
        }
        match stopped {
            Some(stop) => Ok(Outcome::Stopped(drain::drain(running, stop, steps.launch, steps.signals).await)),
            None => {
                let ready = Ready {
                    blueprint,
                    health: place,
                    socket: running.folder.paths.api_socket(),
                    mesh: steps.launch.config.mesh.to_string(),
                    took: steps.begun.elapsed(),
                };
                Ok(Outcome::Up(Box::new(Up { running, identified, ready, pulse: Arc::clone(steps.pulse) })))
            }
        }
    }
}
