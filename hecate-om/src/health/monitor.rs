//! Asks the service and its checks how things are, in the background. Nobody who asks the runtime
//! waits for that.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::board::{Board, CheckId, Finding, SERVICE};
use super::check::{CheckError, LIMIT, NewCheck, is_reserved};
use super::{Health, Impact};
use crate::random;
use crate::service::{Started, Task};

/// How often a check is asked that does not say so itself.
pub(crate) const EVERY: Duration = Duration::from_secs(10);
/// How often a check may be asked.
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
/// By how much of a hundred the time between two looks differs, so that checks do not run in step.
const JITTER: u32 = 10;

/// What a check does when it is asked.
pub(crate) type Ask = Arc<dyn Fn() -> Task<Health> + Send + Sync>;

/// The checks of a service, each asked every so often.
///
/// Before the service is ready [`first_round`](Self::first_round) asks all that were registered by
/// then; [`watch`](Self::watch) goes on with them and with those that come later, until
/// [`stop`](Self::stop).
pub(crate) struct Checks {
    board: Arc<Board>,
    workers: Handle,
    /// The check that is the service's own word: the first on the board.
    service: Option<CheckId>,
    /// Registered, and not yet watched.
    waiting: Mutex<Vec<Probe>>,
    registered: Notify,
    stopped: CancellationToken,
}

impl Checks {
    /// Checks run on `workers`, so that they may do what they want.
    pub(crate) fn new(board: Arc<Board>, workers: Handle) -> Arc<Self> {
        let service = board.declare(NewCheck::new(SERVICE, Impact::Critical).every(EVERY).believed()).ok();
        Arc::new(Self {
            board,
            workers,
            service,
            waiting: Mutex::new(Vec::new()),
            registered: Notify::new(),
            stopped: CancellationToken::new(),
        })
    }

    /// Asks `ask` every so often from now on; before the service is ready, from then on.
    ///
    /// # Errors
    /// When the name is none or taken, when there are enough checks, or when it is asked for too
    /// often or too seldom.
    pub(crate) fn register(
        &self,
        name: impl Into<std::borrow::Cow<'static, str>>,
        every: Duration,
        impact: Impact,
        ask: Ask,
    ) -> Result<(), CheckError> {
        let name = name.into();
        if !INTERVALS.contains(&every) {
            return Err(CheckError::Interval(name.into_owned(), every));
        }
        if is_reserved(&name) {
            return Err(CheckError::Reserved(name.into_owned()));
        }
        let id = self.board.add_periodic(name.clone(), impact, every)?;
        self.wait(Probe::new(id, name.into_owned(), every, ask));
        Ok(())
    }

    /// Asks a service how it feels from now on.
    pub(crate) fn register_service(&self, started: Arc<Started>) {
        if let Some(id) = self.service {
            let ask: Ask = Arc::new(move || {
                let service = Arc::clone(&started);
                Box::pin(async move { (service.health)().await })
            });
            self.wait(Probe::new(id, "health".to_owned(), EVERY, ask));
        }
    }

    /// Asks once each check that was registered by now, all at the same time, and notes the answers.
    pub(crate) async fn first_round(&self) {
        let mut round = JoinSet::new();
        for mut probe in std::mem::take(&mut *self.waiting()) {
            let (board, workers) = (Arc::clone(&self.board), self.workers.clone());
            round.spawn(async move {
                probe.look(&board, &workers).await;
                probe
            });
        }
        while let Some(asked) = round.join_next().await {
            if let Ok(probe) = asked {
                self.waiting().push(probe);
            }
        }
    }

    /// Asks each check for ever, or until [`stop`](Self::stop).
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut watched = JoinSet::new();
        while !self.stopped.is_cancelled() {
            for probe in std::mem::take(&mut *self.waiting()) {
                watched.spawn(probe.watch(Arc::clone(&self.board), self.workers.clone()));
            }
            tokio::select! {
                () = self.registered.notified() => {}
                () = self.stopped.cancelled() => {}
            }
        }
    }

    /// Asks no check any more; what was found stays on the board.
    pub(crate) fn stop(&self) {
        self.stopped.cancel();
        // What a check holds may hold this in turn.
        self.waiting().clear();
    }

    fn wait(&self, probe: Probe) {
        let mut waiting = self.waiting();
        if !self.stopped.is_cancelled() {
            waiting.push(probe);
            self.registered.notify_one();
        }
    }

    /// Those who wait; nothing that is done under the lock can leave them half-done.
    fn waiting(&self) -> MutexGuard<'_, Vec<Probe>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One check, as it is asked.
struct Probe {
    id: CheckId,
    /// What it is called in messages.
    name: String,
    every: Duration,
    ask: Ask,
    asked: bool,
    /// The last look, when it did not answer in time: it may still block its thread.
    overdue: Option<AbortOnDropHandle<Health>>,
}

impl Probe {
    fn new(id: CheckId, name: String, every: Duration, ask: Ask) -> Self {
        Self { id, name, every, ask, asked: false, overdue: None }
    }

    async fn watch(mut self, board: Arc<Board>, workers: Handle) {
        loop {
            if self.asked {
                tokio::time::sleep(random::about(self.every, JITTER)).await;
            }
            self.look(&board, &workers).await;
        }
    }

    /// Asks once and notes the answer.
    async fn look(&mut self, board: &Board, workers: &Handle) {
        self.asked = true;
        let begun = Instant::now();
        let (health, code) = self.answer(workers).await;
        board.note(self.id, Finding { health, code, at: Instant::now(), took: begun.elapsed() });
    }

    async fn answer(&mut self, workers: &Handle) -> (Health, Option<&'static str>) {
        let late = |name: &str| (Health::down(format!("`{name}` did not answer within {LIMIT:?}")), Some("timeout"));
        // One more look would block one more thread, until none is left for calls.
        if self.overdue.as_ref().is_some_and(|look| !look.is_finished()) {
            return late(&self.name);
        }
        let ask = Arc::clone(&self.ask);
        let mut look = AbortOnDropHandle::new(workers.spawn(async move { ask().await }));
        match tokio::time::timeout(LIMIT, &mut look).await {
            Ok(Ok(health)) => (health, None),
            Ok(Err(_)) => (Health::down(format!("`{}` panicked; the log tells where", self.name)), Some("panic")),
            Err(_) => {
                look.abort();
                self.overdue = Some(look);
                late(&self.name)
            }
        }
    }
}

#[cfg(test)]
mod tests;
