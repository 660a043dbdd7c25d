//! What one client publishes and others are subscribed to.

use std::sync::Arc;

use macula_rust::cbor::Value;
use macula_rust::frame;

use crate::clock;
use crate::connection::Connection;
use crate::core::Core;
use crate::counts::{Refusal, add};
use crate::wire::{Frame, event};

/// A PUBLISH: handed to each subscriber at once, or, where one reads too slowly, not to that one.
pub(crate) fn published(core: &Core, connection: &Arc<Connection>, value: &Value) {
    let now = clock::signed(clock::now_ms());
    let Ok(publication) = frame::verify_publication(value, core.profile, now) else {
        return core.counters.refuse(Refusal::InvalidSignature);
    };
    if publication.publisher != *connection.node() {
        return core.counters.refuse(Refusal::NotItsOwn);
    }
    add(&core.counters.published);
    let subscribers = core.nodes.subscribers(&(publication.realm, publication.topic));
    let Some(object) = value.get("publication").filter(|_| !subscribers.is_empty()) else { return };
    let Ok(event) = Frame::of(&event(object.clone())) else {
        return core.counters.refuse(Refusal::MalformedFrame);
    };
    for subscriber in subscribers {
        match subscriber.hand_over(&event) {
            true => add(&core.counters.delivered),
            false => core.counters.refuse(Refusal::QueueFull),
        }
    }
}
