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
    // Whoever asks while a reload runs may mean what came after it was read.
    let mut once_more = false;
    let stop = loop {
        tokio::select! {
            signal = signals.recv() => match signal {
                Some(Signal::Stop(stop)) => break stop,
                Some(Signal::Reload) if reloading.is_some() => once_more = true,
                Some(Signal::Reload) => reloading = Some(reload(&running, launch)),
                None => break Stop::Terminate,
            },
            () = end_of(&mut reloading) => {
                reloading = std::mem::take(&mut once_more).then(|| reload(&running, launch));
            }
        }
    };
    telling.abort();
    drain::drain(running, stop, launch, &mut signals).await
}

async fn end_of(reloading: &mut Option<JoinHandle<()>>) {
    match reloading {
        Some(reloading) => {
            let _ = reloading.await;
        }
        None => std::future::pending().await,
    }
}

/// Reads again what can change; what is wrong stays as it was. On a thread that may hang: files can be
/// on a disk that does.
fn reload(running: &Running, launch: &Launch) -> JoinHandle<()> {
    let surroundings = Arc::clone(&running.surroundings);
    let identity = running.mesh.reload();
    let (supervisor, settings) = (Arc::clone(&launch.supervisor), Arc::clone(&launch.reload));
    tokio::task::spawn_blocking(move || {
        supervisor.reloading();
        surroundings.secrets.reload();
        identity();
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
