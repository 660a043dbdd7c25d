//! Asks the service how it feels, in the background. Nobody who asks the runtime waits for that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::board::{Board, CheckId, Finding};
use super::{Health, Impact};
use crate::service::Started;

/// How often the service is asked.
const EVERY: Duration = Duration::from_secs(10);
/// How long it may think.
const LIMIT: Duration = Duration::from_secs(2);

/// Asks a service how it feels, and notes the answers.
pub(crate) struct Monitor {
    started: Arc<Started>,
    workers: Handle,
    board: Arc<Board>,
    check: CheckId,
    /// The last probe, when it did not answer in time: it may still block its thread.
    overdue: Option<JoinHandle<Health>>,
}

impl Monitor {
    /// The callback runs on `workers`, so that it may do what it wants.
    pub(crate) fn new(started: Arc<Started>, workers: Handle, board: Arc<Board>) -> Self {
        let check = board.add("service", Impact::Critical);
        Self { started, workers, board, check, overdue: None }
    }

    /// Asks once and notes the answer.
    pub(crate) async fn check(&mut self) {
        let begun = Instant::now();
        let (health, code) = self.ask().await;
        let found = Finding { health, code, at: Instant::now(), took: begun.elapsed() };
        let (word, reason) = (found.health.word(), found.health.reason().unwrap_or_default().to_owned());
        if self.board.note(self.check, found) && word != "ok" {
            tracing::warn!(status = word, reason, "health changed");
        }
    }

    async fn ask(&mut self) -> (Health, Option<&'static str>) {
        let late = || (Health::down(format!("`health` did not answer within {LIMIT:?}")), Some("timeout"));
        // One more probe would block one more thread, until none is left for calls.
        if self.overdue.as_ref().is_some_and(|probe| !probe.is_finished()) {
            return late();
        }
        let service = Arc::clone(&self.started);
        let mut probe = self.workers.spawn(async move { (service.health)().await });
        match tokio::time::timeout(LIMIT, &mut probe).await {
            Ok(Ok(health)) => (health, None),
            Ok(Err(_)) => (Health::down("`health` panicked; the log tells where"), Some("panic")),
            Err(_) => {
                probe.abort();
                self.overdue = Some(probe);
                late()
            }
        }
    }

    /// Asks for ever.
    pub(crate) async fn watch(mut self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.check().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::dispatch::Dispatch;
    use crate::health::board::Phase;
    use crate::service::{IdentitySpec, ServiceInfo};

    static INFO: ServiceInfo = {
        let identity = IdentitySpec::new("stuck", &[], &[], 30);
        ServiceInfo::new("hecate-stuck", "1.0.0", "Blocks.", "stuck::Stuck", "stuck.rs:1", &[], identity, 8470, "{}")
    };

    #[tokio::test]
    async fn a_health_that_blocks_its_thread_is_not_asked_again_until_it_answers() {
        let (release, held) = mpsc::channel::<()>();
        let (held, asked) = (Arc::new(Mutex::new(held)), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        let started = Arc::new(Started {
            handlers: Vec::new(),
            health: Box::new(move || {
                count.fetch_add(1, Ordering::SeqCst);
                let held = Arc::clone(&held);
                Box::pin(async move {
                    let _ = held.lock().unwrap().recv();
                    Health::Ok
                })
            }),
            stop: Box::new(|| Box::pin(async {})),
        });
        let board = Board::new(&INFO, Dispatch::new(&INFO));
        board.enter(Phase::Running);
        let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        let mut monitor = Monitor::new(started, workers.handle().clone(), Arc::clone(&board));
        for _ in 0..3 {
            monitor.check().await;
            assert_eq!(board.report(true).status, "down");
            assert_eq!(asked.load(Ordering::SeqCst), 1, "one more thread is blocked");
        }
        drop(release);
        let begun = Instant::now();
        while board.report(true).status != "ok" {
            assert!(begun.elapsed() < Duration::from_secs(10), "it never recovers");
            tokio::task::yield_now().await;
            monitor.check().await;
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        workers.shutdown_background();
    }
}
