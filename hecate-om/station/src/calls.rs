//! Calls and replies: routed by realm, procedure and provider, and handed on as they came.

use std::sync::Arc;
use std::time::Duration;

use macula_rust::cbor::Value;
use macula_rust::frame::{self, RelayErrorSpec, RelayErrorType, VerifiedRequest};
use tokio::sync::Semaphore;

use crate::connection::{self, Connection};
use crate::core::Core;
use crate::counts::{Refusal, add};
use crate::wire::Frame;
use crate::{clock, station_procedures};

/// A CALL. Its signature is checked apart, so that the frames behind it do not wait for that.
pub(crate) async fn called(core: &Arc<Core>, connection: &Arc<Connection>, frame: Frame, value: Value) {
    let Some(leave) = connection.check().await else { return };
    let (core, connection) = (core.clone(), connection.clone());
    tokio::spawn(async move {
        route(&core, &connection, &frame, &value).await;
        drop(leave);
    });
}

async fn route(core: &Arc<Core>, connection: &Arc<Connection>, frame: &Frame, value: &Value) {
    let Ok(request) = frame::verify_request(value, core.profile) else {
        return core.counters.refuse(Refusal::InvalidSignature);
    };
    if request.caller != *connection.node() {
        return core.counters.refuse(Refusal::NotItsOwn);
    }
    if request.target == core.node_id {
        add(&core.counters.answered);
        if let Some(reply) = station_procedures::answer(core, connection, &request).await {
            core.faults.thawed().await;
            connection::answer(connection, &reply).await;
        }
        return;
    }
    let name = (request.realm, request.procedure.clone());
    let Some(provider) = core.nodes.provider(&request.target, &name) else {
        return refuse(core, connection, request, "unknown_next_peer").await;
    };
    let ids = (request.request_id, request.request_hash);
    let left = Duration::from_millis(request.deadline.saturating_sub(clock::now_ms()));
    if let Err(refusal) = core.pending.add(request.target, ids, connection, left) {
        core.counters.refuse(refusal);
        return refuse(core, connection, request, connection.overloaded()).await;
    }
    if !provider.hand_over(frame) {
        core.pending.remove(request.target, request.request_id);
        core.counters.refuse(Refusal::QueueFull);
        return refuse(core, connection, request, connection.overloaded()).await;
    }
    add(&core.counters.relayed_calls);
}

/// Tells a caller that its call was handed to nobody.
async fn refuse(core: &Core, connection: &Connection, request: VerifiedRequest, code: &str) {
    if let Some(error) = relay_error(core, RelayErrorType::Error, request, code) {
        connection::answer(connection, &error).await;
    }
}

/// The station's signed word that a call or stream went nowhere.
pub(crate) fn relay_error(
    core: &Core,
    frame_type: RelayErrorType,
    request: VerifiedRequest,
    code: &str,
) -> Option<Value> {
    add(&core.counters.relay_errors);
    let spec =
        RelayErrorSpec { frame_type, request, code: code.to_owned(), offending_hop: None, source_route_partial: None };
    frame::sign_relay_error(&spec, &core.keys.node)
        .inspect_err(|error| tracing::warn!(%error, "the station cannot sign a relay error"))
        .ok()
}

/// A RESULT or ERROR of a provider: handed to the caller that waits for it, unverified, since the caller verifies
/// it anyway.
pub(crate) fn replied(core: &Arc<Core>, connection: &Arc<Connection>, frame: Frame, value: &Value) {
    let ids = frame::claimed_reply_ids(value).ok();
    let Some(caller) = ids.and_then(|ids| core.pending.take(*connection.node(), ids)) else {
        return core.counters.refuse(Refusal::UnmatchedReply);
    };
    if !core.faults.holds_replies() {
        return hand_back(core, &caller, &frame);
    }
    let Ok(place) = core.held_replies.clone().try_acquire_owned() else {
        return core.counters.refuse(Refusal::QueueFull);
    };
    let core = core.clone();
    tokio::spawn(async move {
        core.faults.replies_released().await;
        hand_back(&core, &caller, &frame);
        drop(place);
    });
}

/// So many replies are held back at once.
pub(crate) fn held_replies(pending_calls: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(pending_calls.min(Semaphore::MAX_PERMITS)))
}

fn hand_back(core: &Core, caller: &Connection, frame: &Frame) {
    match caller.hand_over(frame) {
        true => add(&core.counters.relayed_replies),
        false => core.counters.refuse(Refusal::QueueFull),
    }
}
