//! What a service that started holds.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::on_mesh::{Identified, OnMesh};
use super::{Launch, Ready, watchdog};
use crate::capability::Bound;
use crate::client::process::Registration;
use crate::context::Surroundings;
use crate::dispatch::Dispatch;
use crate::folder::ServiceFolder;
use crate::guard::access::Standing;
use crate::health::board::{Board, Phase};
use crate::health::monitor::Checks;
use crate::health::pulse::Pulse;
use crate::local::LocalApi;
use crate::service::Started;

/// A task that ends with its owner.
pub(super) struct Owned<T>(pub(super) JoinHandle<T>);

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A service whose `start` returned `Ok`: it is owed a `stop`.
pub(super) struct Running {
    pub(super) workers: Handle,
    pub(super) folder: ServiceFolder,
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) board: Arc<Board>,
    pub(super) api: Arc<LocalApi>,
    /// Answers on the socket as long as it is here.
    pub(super) _answering: Owned<()>,
    pub(super) serving: Owned<()>,
    pub(super) surroundings: Arc<Surroundings>,
    pub(super) service: Arc<Started>,
    /// Until it is open for calls.
    pub(super) handlers: Vec<Bound>,
    pub(super) checks: Arc<Checks>,
    /// Where services of this process find it, while it is open.
    pub(super) nearby: Option<Registration>,
    /// Nowhere before it is open.
    pub(super) mesh: OnMesh,
}

/// A service that can do its job, and is not open yet.
pub(super) struct Up {
    pub(super) running: Running,
    pub(super) identified: Identified,
    pub(super) ready: Ready,
    pub(super) pulse: Arc<Pulse>,
}

impl Up {
    /// Takes calls from now on, and says so.
    pub(super) fn open(self, launch: &Launch, announce: impl FnOnce(&Ready) + Send + 'static) -> Running {
        let Self { mut running, identified, ready, pulse } = self;
        let supervisor = &launch.supervisor;
        let mesh = &launch.config.mesh;
        let standing = Standing { org: mesh.org.clone(), realm: mesh.realm.clone(), profile: mesh.profile };
        running.dispatch.stand(standing);
        running.dispatch.open(std::mem::take(&mut running.handlers));
        running.nearby = Some(running.surroundings.calls.offer(Arc::clone(&running.dispatch)));
        tokio::spawn(Arc::clone(&running.checks).watch());
        running.board.enter(Phase::Running);
        supervisor.ready();
        if let Err(error) = watchdog::feed(supervisor, &pulse) {
            tracing::error!(%error, "the system gives no thread for the watchdog: the supervisor will end this process");
        }
        // Only what has started can be offered; whether anybody is there to offer it to, readiness does not ask.
        running.mesh = OnMesh::begin(
            identified,
            &launch.config,
            launch.blueprint,
            &running.dispatch,
            &running.board,
            &running.workers,
            &running.surroundings.calls,
        );
        // It runs code of the author and writes to a terminal: not on this thread.
        running.workers.spawn_blocking(move || announce(&ready));
        running
    }
}
