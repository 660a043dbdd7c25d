//! A service that is up: it waits for signals, tells its supervisor how it is, and reloads.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::running::Running;
use super::signals::{Signal, Stop};
use super::{Launch, drain};
use crate::health::board::Board;
use crate::notify::Supervisor;

/// How often the status is told when nothing changes but the number of calls.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Runs until somebody stops it, and drains; returns the exit code.
pub(super) async fn steady(running: Running, launch: &Launch, mut signals: mpsc::Receiver<Signal>) -> u8 {
    let telling = tokio::spawn(tell_status(Arc::clone(&launch.supervisor), Arc::clone(&running.board)));
    let mut reloading: Option<JoinHandle<()>> = None;
    let stop = loop {
        match signals.recv().await {
            Some(Signal::Stop(stop)) => break stop,
            Some(Signal::Reload) if reloading.as_ref().is_some_and(|reloading| !reloading.is_finished()) => {
                tracing::warn!("not reloaded: the last reload has not ended");
            }
            Some(Signal::Reload) => reloading = Some(reload(&running, launch)),
            None => break Stop::Terminate,
        }
    };
    telling.abort();
    drain::drain(running, stop, launch, &mut signals).await
}

/// Reads again what can change; what is wrong stays as it was. On a thread that may hang: files can be
/// on a disk that does.
fn reload(running: &Running, launch: &Launch) -> JoinHandle<()> {
    let surroundings = Arc::clone(&running.surroundings);
    let (supervisor, settings) = (Arc::clone(&launch.supervisor), Arc::clone(&launch.reload));
    tokio::task::spawn_blocking(move || {
        supervisor.reloading();
        surroundings.secrets.reload();
        match settings() {
            Ok(()) => tracing::info!("settings were read again"),
            Err(problem) => tracing::error!(problem, "settings were not taken over: those from before stay"),
        }
        supervisor.ready();
    })
}

async fn tell_status(supervisor: Arc<Supervisor>, board: Arc<Board>) {
    let mut changes = board.changes();
    loop {
        supervisor.status(&board.status_line());
        // The number of calls is worth a line a second; a change for the worse is told at once.
        let _ = tokio::time::timeout(STATUS_EVERY, changes.changed()).await;
    }
}
