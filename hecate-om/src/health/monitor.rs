//! Asks the service how it feels, in the background. Nobody who asks the runtime waits for that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::Health;
use super::board::{Board, Check};
use crate::service::Started;

/// How often the service is asked.
const EVERY: Duration = Duration::from_secs(10);
/// How long it may think.
const LIMIT: Duration = Duration::from_secs(2);

/// Asks once and notes the answer. The callback runs on `workers`, so that it may do what it wants.
pub(crate) async fn check(started: &Arc<Started>, workers: &Handle, board: &Board) {
    let begun = Instant::now();
    let service = Arc::clone(started);
    let mut probe = workers.spawn(async move { (service.health)().await });
    let (health, code) = match tokio::time::timeout(LIMIT, &mut probe).await {
        Ok(Ok(health)) => (health, None),
        Ok(Err(_)) => (Health::down("`health` panicked; the log tells where"), Some("panic")),
        Err(_) => {
            probe.abort();
            (Health::down(format!("`health` did not answer within {LIMIT:?}")), Some("timeout"))
        }
    };
    let check = Check { health, code, at: Instant::now(), took: begun.elapsed() };
    let (word, reason) = (check.health.word(), check.health.reason().unwrap_or_default().to_owned());
    if board.note(check) && word != "ok" {
        tracing::warn!(status = word, reason, "health changed");
    }
}

/// Asks for ever.
pub(crate) async fn watch(started: Arc<Started>, workers: Handle, board: Arc<Board>) {
    loop {
        tokio::time::sleep(EVERY).await;
        check(&started, &workers, &board).await;
    }
}
