//! The way out: no call that was accepted and ends inside the budget loses its reply.
//!
//! Each step is a type that only the one before it can make, so that their order is the only one there
//! is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::Launch;
use super::running::Running;
use super::signals::{Signal, Stop, next_stop};
use crate::exit;
use crate::folder::remove;
use crate::health::board::Phase;
use crate::telemetry::millis;

/// What the time to find another provider has of the whole budget, in thirtieths.
const LAME_DUCK: u32 = 3;
/// What streams have of it to bring their end to their callers, in thirtieths.
const STREAMS: u32 = 1;
/// What is kept of the whole budget for each of the later steps, in thirtieths. What a step does not
/// use is for those that follow.
const TASKS: u32 = 2;
/// What tasks get at most: one that does not hear that it should end must not hold up `stop` for long.
const TASKS_MOST: u32 = 3;
const STOP: u32 = 5;
const FLUSH: u32 = 2;

/// Ends everything in order, or at once when it is stopped again; returns the exit code.
pub(super) async fn drain(running: Running, stop: Stop, launch: &Launch, signals: &mut mpsc::Receiver<Signal>) -> u8 {
    tokio::select! {
        biased;
        second = next_stop(signals) => {
            tracing::warn!(?second, "stopped again: ending now");
            second.exit_code()
        }
        code = in_order(running, stop, launch) => code,
    }
}

async fn in_order(running: Running, stop: Stop, launch: &Launch) -> u8 {
    let leaving = Leaving::enter(running, stop, launch);
    let refusing = leaving.lame_duck(stop).await;
    let quiet = refusing.calls_end().await;
    let idle = quiet.tasks_end().await;
    let stopped = idle.stop().await;
    let flushed = stopped.flush().await;
    flushed.leave()
}

/// What `stop` has of a budget.
pub(super) fn of_stop(budget: Duration) -> Duration {
    budget * STOP / 30
}

/// How long everything may take, and whether all of it ended inside that.
struct Progress {
    begun: Instant,
    budget: Duration,
    is_clean: bool,
}

impl Progress {
    /// Until when a step may take that keeps so many thirtieths for those after it.
    fn until(&self, kept: u32) -> Instant {
        self.begun + self.budget * (30 - kept) / 30
    }

    fn told(&self, step: &'static str) {
        tracing::info!(step, after_ms = millis(self.begun.elapsed()), "drain");
    }

    fn failed(&mut self) {
        self.is_clean = false;
    }
}

/// Whoever looks for a provider is to find another one; calls are still answered.
struct Leaving {
    running: Running,
    progress: Progress,
}

impl Leaving {
    fn enter(running: Running, stop: Stop, launch: &Launch) -> Self {
        let progress = Progress { begun: Instant::now(), budget: launch.config.stop_timeout, is_clean: true };
        launch.supervisor.stopping();
        launch.supervisor.status("stopping");
        running.checks.stop();
        running.board.drain_until(progress.until(0).into_std());
        running.board.enter(Phase::Draining);
        let calls = running.dispatch.in_flight();
        tracing::info!(?stop, calls, hint = "a second signal ends at once", "stopping");
        Self { running, progress }
    }

    /// Takes back what was advertised, and gives those who found this service before the time to find
    /// another. Nobody is waited for where nothing was advertised, or where a person waits at a terminal.
    async fn lame_duck(self, stop: Stop) -> Refusing {
        let Self { mut running, progress } = self;
        running.nearby = None;
        let (is_advertised, until) = (running.mesh.is_advertised(), progress.begun + progress.budget * LAME_DUCK / 30);
        // Also where nothing is found: an advertisement may be on its way.
        running.mesh.withdraw(until).await;
        if is_advertised {
            progress.told("taken back from the mesh");
            if stop == Stop::Terminate {
                tokio::time::sleep_until(until).await;
            }
        }
        running.dispatch.drain();
        progress.told("new calls are refused");
        Refusing { running, progress }
    }
}

/// New calls are told to go elsewhere; those that were let in go on.
struct Refusing {
    running: Running,
    progress: Progress,
}

impl Refusing {
    async fn calls_end(mut self) -> Quiet {
        let until = self.progress.until(TASKS + STOP + FLUSH);
        let streams_until = self.progress.until(STREAMS + TASKS + STOP + FLUSH);
        let drained = async {
            if timeout_at(streams_until, self.running.dispatch.drained()).await.is_err() {
                self.running.dispatch.end_streams();
                self.running.dispatch.drained().await;
            }
        };
        if timeout_at(until, drained).await.is_ok() {
            self.progress.told("calls ended");
        } else {
            self.progress.failed();
            self.tell_abandoned();
        }
        Quiet { running: self.running, progress: self.progress }
    }

    fn tell_abandoned(&self) {
        let mut unread = self.running.dispatch.in_flight();
        for (capability, calls) in self.running.dispatch.running() {
            unread = unread.saturating_sub(calls);
            tracing::error!(%capability, calls, "calls abandoned at the end of the drain budget");
        }
        if unread > 0 {
            tracing::error!(calls = unread, "calls abandoned whose request did not come whole");
        }
    }
}

/// No call runs any more, or none is waited for.
struct Quiet {
    running: Running,
    progress: Progress,
}

impl Quiet {
    async fn tasks_end(mut self) -> Idle {
        let until = self.progress.until(STOP + FLUSH).min(Instant::now() + self.progress.budget * TASKS_MOST / 30);
        let limit = until.saturating_duration_since(Instant::now());
        let abandoned = self.running.surroundings.tasks.end(limit).await;
        if abandoned.is_empty() {
            self.progress.told("tasks ended");
        } else {
            self.progress.failed();
            tracing::error!(tasks = abandoned.join(", "), "tasks abandoned at the end of the drain budget");
        }
        Idle { running: self.running, progress: self.progress }
    }
}

/// Nothing of the service runs any more but what its author keeps.
struct Idle {
    running: Running,
    progress: Progress,
}

impl Idle {
    async fn stop(mut self) -> Stopped {
        let service = Arc::clone(&self.running.service);
        let stopping = self.running.workers.spawn(async move { (service.stop)().await });
        match timeout_at(self.progress.until(FLUSH), stopping).await {
            Ok(Ok(())) => self.progress.told("`stop` ended"),
            Ok(Err(error)) => {
                self.progress.failed();
                tracing::error!(%error, "`stop` of the service panicked");
            }
            Err(_) => {
                self.progress.failed();
                tracing::error!("`stop` of the service did not end in time");
            }
        }
        Stopped { running: self.running, progress: self.progress }
    }
}

/// The service has let go of what it held.
struct Stopped {
    running: Running,
    progress: Progress,
}

impl Stopped {
    /// Who is waiting to be accepted is still answered, and what was answered is written; calls that come
    /// now find nobody.
    async fn flush(mut self) -> Flushed {
        // What came over the mesh was answered; now nothing more does.
        // A station that does not answer gets no more of the budget for being early.
        let until = self.progress.until(FLUSH / 2).min(Instant::now() + self.progress.budget * FLUSH / 30);
        std::mem::take(&mut self.running.mesh).leave(until).await;
        remove(&self.running.folder.paths.api_socket());
        if timeout_at(self.progress.until(0), self.running.api.close()).await.is_ok() {
            self.progress.told("replies are written");
        } else {
            tracing::warn!("a client did not read its reply in time");
        }
        Flushed { running: self.running, progress: self.progress }
    }
}

/// Only health is left.
struct Flushed {
    running: Running,
    progress: Progress,
}

impl Flushed {
    fn leave(self) -> u8 {
        let Self { running, progress } = self;
        remove(&running.folder.paths.health_address());
        drop(running.serving);
        // A service in a test may outlive its end, with its context.
        running.surroundings.data_dir.release();
        tracing::info!(clean = progress.is_clean, took_ms = millis(progress.begun.elapsed()), "stopped");
        if progress.is_clean { exit::STOPPED } else { exit::TRY_AGAIN }
    }
}
