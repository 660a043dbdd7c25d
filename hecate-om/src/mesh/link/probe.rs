//! Whether a station that is linked still answers. The SDK asks every half minute and believes a station for
//! two; a service that looks well and cannot be called for so long is not well.

use std::time::Duration;

use macula_rust::pool::Pool;
use macula_rust::station_link::LinkError;
use tokio::time::{sleep, timeout};

use crate::node_id::NodeId;
use crate::random;

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(10);
const JITTER: u32 = 20;

/// How long it may take.
const ANSWER: Duration = Duration::from_secs(5);

/// How often in a row it may not answer.
const MISSES: u32 = 2;

/// How long the link to a station that does not answer may take to close.
const CLOSE: Duration = Duration::from_secs(5);

/// Asks a station for a record that nobody has, for ever; a link to one that does not answer is closed, and
/// the pool dials it again.
pub(super) async fn probe(pool: Pool, station: NodeId) {
    let mut misses = 0;
    loop {
        sleep(random::about(EVERY, JITTER)).await;
        let is_up =
            pool.status().into_iter().any(|link| link.up && !link.direct && link.station == *station.as_bytes());
        if !is_up {
            misses = 0;
            continue;
        }
        let Ok(link) = pool.link_to(station.as_bytes()).await else { continue };
        match timeout(ANSWER, link.find_record(station.as_bytes())).await {
            Ok(Err(LinkError::CallTimeout)) | Err(_) => misses += 1,
            Ok(_) => misses = 0,
        }
        if misses == MISSES {
            misses = 0;
            tracing::warn!(%station, "a station does not answer any more; it is dialed anew");
            let _ = timeout(CLOSE, link.close("client_stop")).await;
        }
    }
}
