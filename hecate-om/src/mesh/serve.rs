//! Calls that come in over the mesh, brought to where all calls are answered.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use macula_rust::station_link::{self, Handler};
use tokio::runtime::Handle;

use super::access::Upheld;
use super::metadata::{self, Metadata};
use super::stream::Credits;
use super::value::Value;
use crate::capability::trace::CallerTrace;
use crate::capability::{CapabilityError, Input, Output};
use crate::dispatch::{Dispatch, Origin};
use crate::guard::warrant::Warrant;
use crate::node_id::NodeId;

/// Where calls are answered.
#[derive(Clone)]
pub(crate) struct Answering {
    pub(crate) dispatch: Arc<Dispatch>,
    /// Where handlers run: they may block, and links must not.
    pub(crate) workers: Handle,
    /// Where callers grant to streams of replies.
    pub(crate) credits: Arc<Credits>,
}

impl Answering {
    /// What the SDK calls for each request to one capability. It has checked the signature and, where there
    /// is a policy, the token.
    pub(crate) fn handler(&self, slot: usize, upheld: Upheld) -> Handler {
        let answering = self.clone();
        station_link::handler(move |request| answering.clone().answer(slot, upheld, request))
    }

    async fn answer(self, slot: usize, upheld: Upheld, request: station_link::Request) -> Result<Value, String> {
        let mut payload = request.payload;
        let (metadata, is_ours) = match Metadata::take(&mut payload) {
            None => (Metadata::default(), false),
            Some(Ok(metadata)) => (metadata, true),
            Some(Err(error)) => return refused(&error.of_request(), true),
        };
        let origin = Origin {
            warrant: Warrant::Mesh { node: Box::new(NodeId::from_bytes(request.caller)), upheld },
            hops: metadata.hops,
            time_left: time_left(metadata.deadline_ms, request.deadline_ms),
        };
        let trace = metadata.traceparent.as_deref().and_then(CallerTrace::of_text);
        let dispatch = Arc::clone(&self.dispatch);
        let answering = self
            .workers
            .spawn(async move { dispatch.admit(slot, origin, trace)?.answer(Input::Value(payload))?.await });
        let error = match answering.await {
            Ok(Ok(Output::Value(reply))) => return Ok(reply),
            Ok(Ok(_)) => CapabilityError::internal("a call in values was answered in another form"),
            Ok(Err(error)) => error,
            Err(error) => CapabilityError::internal(error),
        };
        refused(&error, is_ours)
    }
}

/// A refusal as its caller understands it.
fn refused(error: &CapabilityError, is_ours: bool) -> Result<Value, String> {
    if is_ours { Ok(metadata::refusal(error)) } else { Err(metadata::text(error)) }
}

/// How long the caller waits. A time that is left knows no clocks; a deadline of another box is believed
/// only as far as it makes sense here.
fn time_left(said_ms: Option<u64>, deadline_ms: u64) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let by_clock = Duration::from_millis(deadline_ms).checked_sub(now).filter(|left| !left.is_zero());
    said_ms.map(Duration::from_millis).or(by_clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_believed_before_any_clock() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let hour = Duration::from_secs(3600);
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        assert_eq!(time_left(Some(250), ms(now + hour)), Some(Duration::from_millis(250)));
        assert_eq!(time_left(None, ms(now - hour)), None, "a caller whose clock is an hour behind");
        let left = time_left(None, ms(now + Duration::from_secs(5))).unwrap();
        assert!(left > Duration::from_secs(4) && left <= Duration::from_secs(5), "{left:?}");
    }
}
