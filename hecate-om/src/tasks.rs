//! The tasks of a service: restarted when they fail, shown in health, and ended before the service is.

mod end;
mod error;
mod supervise;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

use self::error::Wrong;
use self::supervise::{Make, Supervisor};
use crate::health::Impact;
use crate::health::board::Board;
use crate::health::check::NewCheck;
use crate::name::is_name;

pub use self::end::TaskEnd;
pub use self::error::SpawnError;

/// How many tasks a service may have in its life: half of the checks that health has room for.
pub(crate) const MAX_TASKS: usize = 32;

/// The tasks of a service.
pub(crate) struct Tasks {
    workers: Handle,
    board: Arc<Board>,
    draining: CancellationToken,
    tracker: TaskTracker,
    list: Mutex<Vec<Task>>,
}

struct Task {
    name: String,
    supervisor: AbortHandle,
    restarts: Arc<AtomicU64>,
}

impl Tasks {
    pub(crate) fn new(workers: Handle, board: Arc<Board>) -> Self {
        let (draining, tracker) = (CancellationToken::new(), TaskTracker::new());
        Self { workers, board, draining, tracker, list: Mutex::default() }
    }

    /// Starts a task on the workers, and whenever it fails, again.
    pub(crate) fn spawn<F, Fut>(&self, name: &str, mut task: F) -> Result<(), SpawnError>
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output: TaskEnd> + Send + 'static,
    {
        self.start(
            name,
            Box::new(move || {
                let run = task();
                Box::pin(async { run.await.into_result() })
            }),
        )
    }

    fn start(&self, name: &str, make: Make) -> Result<(), SpawnError> {
        if !is_name(name) {
            return Err(Wrong::Name(name.to_owned()).into());
        }
        let mut list = self.list();
        // Under the lock: no task begins that `end` does not see.
        if self.draining.is_cancelled() {
            return Err(Wrong::Ending(name.to_owned()).into());
        }
        if list.iter().any(|task| task.name == name) {
            return Err(Wrong::Duplicate(name.to_owned()).into());
        }
        if list.len() >= MAX_TASKS {
            return Err(Wrong::TooMany.into());
        }
        let check = NewCheck::new(format!("task.{name}"), Impact::Degrading);
        let check = self.board.declare(check).map_err(|source| Wrong::Check { name: name.to_owned(), source })?;
        let restarts = Arc::<AtomicU64>::default();
        let supervisor = Supervisor {
            name: name.to_owned(),
            check,
            board: Arc::clone(&self.board),
            draining: self.draining.clone(),
            restarts: Arc::clone(&restarts),
        };
        let supervisor = self.tracker.spawn_on(supervisor.run(make), &self.workers).abort_handle();
        list.push(Task { name: name.to_owned(), supervisor, restarts });
        Ok(())
    }

    /// Resolves once tasks should end.
    pub(crate) fn draining(&self) -> WaitForCancellationFutureOwned {
        self.draining.clone().cancelled_owned()
    }

    /// Tells all tasks to end and waits for them; those that have not within `limit` are aborted, and
    /// named. None starts any more.
    pub(crate) async fn end(&self, limit: Duration) -> Vec<String> {
        {
            let _none_starts_now = self.list();
            self.draining.cancel();
        }
        self.tracker.close();
        if tokio::time::timeout(limit, self.tracker.wait()).await.is_ok() {
            return Vec::new();
        }
        let late: Vec<String> = self
            .list()
            .iter()
            .filter(|task| !task.supervisor.is_finished())
            .map(|task| {
                task.supervisor.abort();
                task.name.clone()
            })
            .collect();
        for task in &late {
            tracing::error!(task, "task aborted: it did not end in time");
        }
        late
    }

    /// How often each was started again.
    pub(crate) fn restarts(&self) -> Vec<(String, u64)> {
        self.list().iter().map(|task| (task.name.clone(), task.restarts.load(Ordering::Relaxed))).collect()
    }

    /// Each change is made in one step: a panic elsewhere leaves nothing half done.
    fn list(&self) -> MutexGuard<'_, Vec<Task>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
