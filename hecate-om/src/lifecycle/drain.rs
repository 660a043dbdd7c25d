//! The way out: no call that was accepted and ends inside the budget loses its reply.

use std::time::Duration;

use tokio::time::Instant;

use super::Running;
use crate::exit;
use crate::folder::remove;
use crate::health::board::Phase;

/// The most that calls and `stop` may take of the whole budget, in thirtieths. What is left, if only
/// because they ended sooner, is for clients that still read their replies.
const CALLS: u32 = 20;
const STOP: u32 = 5;

impl Running<'_> {
    /// Ends everything in order; returns the exit code.
    pub(super) async fn drain(self) -> u8 {
        let end = Instant::now() + self.config.stop_timeout;
        let part = |thirtieths: u32| self.config.stop_timeout * thirtieths / 30;
        self.board.drain_until(end.into_std());
        self.board.enter(Phase::Draining);
        self.dispatch.drain();
        let calls_ended = self.calls_end(part(CALLS)).await;
        let stopped = self.stop(part(STOP)).await;

        // Who is waiting to be accepted is still answered; calls that come now find nobody.
        remove(&self.folder.paths.api_socket());
        let closed = tokio::time::timeout_at(end, self.api.close()).await;
        self.api_task.abort();
        if closed.is_err() {
            tracing::warn!("a client did not read its reply in time");
        }
        remove(&self.folder.paths.health_address());
        self.health_task.abort();
        tracing::info!(clean = calls_ended && stopped, "stopped");
        if calls_ended && stopped { exit::STOPPED } else { exit::TRY_AGAIN }
    }

    async fn calls_end(&self, limit: Duration) -> bool {
        let ended = tokio::time::timeout(limit, self.dispatch.drained()).await.is_ok();
        if !ended {
            let mut unread = self.dispatch.in_flight();
            for (capability, calls) in self.dispatch.running() {
                unread = unread.saturating_sub(calls);
                tracing::error!(%capability, calls, "calls abandoned at the end of the drain budget");
            }
            if unread > 0 {
                tracing::error!(calls = unread, "calls abandoned whose request did not come whole");
            }
        }
        ended
    }

    async fn stop(&self, limit: Duration) -> bool {
        let service = std::sync::Arc::clone(&self.service);
        let stopping = self.workers.spawn(async move { (service.stop)().await });
        match tokio::time::timeout(limit, stopping).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, "`stop` of the service panicked");
                false
            }
            Err(_) => {
                tracing::error!(?limit, "`stop` of the service did not end in time");
                false
            }
        }
    }
}
