//! Advertisements and subscriptions, and the word that a client waits for on each.

use std::sync::Arc;

use macula_rust::cbor::{self, Value};
use macula_rust::record::{self, Authorization, Record, RecordType, Trust};
use macula_rust::signed_object::Object;

use crate::clock;
use crate::connection::{self, Connection};
use crate::core::Core;
use crate::counts::Refusal;
use crate::faults::RegistrationAnswer;
use crate::wire::{Id, NAME_BYTES, Name, Registered, fixed, register_ack};

/// An ADVERTISE: calls of the procedure are routed to who sent it.
pub(crate) async fn advertise(core: &Core, connection: &Arc<Connection>, frame: &Value) {
    let Some(Value::Bytes(wire)) = frame.get("advertisement") else { return };
    let advertised = match advertisement(core, connection, wire) {
        Ok((name, version)) => {
            let what = Registered::Advertise { version };
            let advertise = || core.nodes.advertise(connection, name.clone(), version);
            return settle(core, connection, &name, what, advertise).await;
        }
        Err(refused) => refused,
    };
    core.counters.refuse(Refusal::RegistrationRefused);
    // What does not verify is refused by the name that it bears.
    if let Some((name, version)) = claimed(wire) {
        acknowledge(connection, &name, Registered::Advertise { version }, Some(advertised)).await;
    }
}

/// The procedure that a client may advertise with this record, or the reason why not.
fn advertisement(core: &Core, connection: &Connection, wire: &[u8]) -> Result<(Name, [u8; 16]), &'static str> {
    let now = clock::signed(clock::now_ms());
    let verified = record::verify(wire, core.profile, now).map_err(|_| "record_refused")?;
    let read = record::read_procedure_advertisement(verified.record()).map_err(|_| "record_refused")?;
    if read.advertiser_node != *connection.node() || is_of_realm(core, wire) {
        return Err("not_authorized");
    }
    if read.procedure.len() > NAME_BYTES {
        return Err("name_too_long");
    }
    // Of another realm the station has no key; callers have.
    if read.realm_id == core.realm.id() || read.authorization == Authorization::None {
        let trust = Trust { profile: core.profile, realm_key: Some(core.keys.realm.public_key()) };
        record::verify_authorization(&verified, &trust, now).map_err(|_| "not_authorized")?;
    }
    Ok(((read.realm_id, read.procedure), verified.record().version))
}

/// Whether an advertisement names what the realm itself answers: the key that speaks for all orgs speaks for
/// that one, too, so it is the station that has to keep it from others.
pub(crate) fn is_of_realm(core: &Core, wire: &[u8]) -> bool {
    claimed(wire).is_some_and(|((realm, procedure), _)| {
        let org = procedure.split('/').next();
        realm == core.realm.id() && org == Some(core.realm.name())
    })
}

/// The procedure and version that an unverified advertisement names.
fn claimed(wire: &[u8]) -> Option<(Name, [u8; 16])> {
    let object = Object::from_value(&cbor::decode(wire).ok()?).ok()?;
    let fields = cbor::decode(&object.tbs).ok()?;
    let payload = fields.get("payload")?;
    let Some(Value::Text(procedure)) = payload.get("procedure") else { return None };
    let name = (fixed(payload.get("realm_id"))?, procedure.clone());
    (1..=NAME_BYTES).contains(&name.1.len()).then_some(())?;
    Some((name, fixed(fields.get("version"))?))
}

/// An UNADVERTISE: calls of the procedure go nowhere any more.
pub(crate) async fn unadvertise(core: &Core, connection: &Arc<Connection>, frame: &Value) {
    let Some(Value::Bytes(wire)) = frame.get("withdrawal") else { return };
    let now = clock::signed(clock::now_ms());
    let Ok(verified) = record::verify(wire, core.profile, now) else {
        return core.counters.refuse(Refusal::RegistrationRefused);
    };
    let Some((name, version)) = withdrawn(verified.record()) else {
        return core.counters.refuse(Refusal::RegistrationRefused);
    };
    let what = Registered::Unadvertise { version };
    let signer = verified.record().signed.as_ref().map(|signed| signed.key_id);
    if signer != Some(*connection.node()) {
        core.counters.refuse(Refusal::NotItsOwn);
        return acknowledge(connection, &name, what, Some("not_authorized")).await;
    }
    let unadvertise = || {
        core.nodes.unadvertise(connection, &name, version);
        Ok(())
    };
    settle(core, connection, &name, what, unadvertise).await;
}

fn withdrawn(record: &Record) -> Option<(Name, [u8; 16])> {
    let tombstone = record::read_tombstone(record).ok()?;
    let name = (tombstone.realm_id, tombstone.procedure);
    let named = tombstone.withdrawn_type == RecordType::PROCEDURE_ADVERTISEMENT && !name.1.is_empty();
    (named && name.1.len() <= NAME_BYTES).then_some((name, tombstone.withdrawn_version))
}

/// A SUBSCRIBE: publications of the topic are handed to who sent it.
pub(crate) async fn subscribe(core: &Core, connection: &Arc<Connection>, frame: &Value) {
    if let Some((name, subscriber)) = topic(core, frame) {
        let what = Registered::Subscribe { subscriber };
        if subscriber != *connection.node() {
            core.counters.refuse(Refusal::NotItsOwn);
            return acknowledge(connection, &name, what, Some("not_authorized")).await;
        }
        let subscribe = || core.nodes.subscribe(connection, name.clone());
        settle(core, connection, &name, what, subscribe).await;
    }
}

/// An UNSUBSCRIBE.
pub(crate) async fn unsubscribe(core: &Core, connection: &Arc<Connection>, frame: &Value) {
    if let Some((name, subscriber)) = topic(core, frame) {
        let what = Registered::Unsubscribe { subscriber };
        if subscriber != *connection.node() {
            core.counters.refuse(Refusal::NotItsOwn);
            return acknowledge(connection, &name, what, Some("not_authorized")).await;
        }
        let unsubscribe = || {
            core.nodes.unsubscribe(connection, &name);
            Ok(())
        };
        settle(core, connection, &name, what, unsubscribe).await;
    }
}

/// The topic and the subscriber that a frame names; none of which no answer could name.
fn topic(core: &Core, frame: &Value) -> Option<(Name, Id)> {
    let topic = match frame.get("topic") {
        Some(Value::Bytes(topic)) if (1..=NAME_BYTES).contains(&topic.len()) => String::from_utf8(topic.clone()).ok(),
        _ => None,
    };
    let named = topic.and_then(|topic| Some(((fixed(frame.get("realm"))?, topic), fixed(frame.get("subscriber"))?)));
    if named.is_none() {
        core.counters.refuse(Refusal::RegistrationRefused);
    }
    named
}

/// Registers what may be, unless a test wants otherwise, and answers.
async fn settle(
    core: &Core,
    connection: &Connection,
    name: &Name,
    what: Registered,
    register: impl FnOnce() -> Result<(), Refusal>,
) {
    let refused = match core.faults.registration(&name.1) {
        Some(RegistrationAnswer::Silence) => return core.counters.refuse(Refusal::RegistrationRefused),
        Some(RegistrationAnswer::Reason(reason)) => {
            core.counters.refuse(Refusal::RegistrationRefused);
            Some(reason)
        }
        None => register().err().map(|refusal| {
            core.counters.refuse(refusal);
            match refusal {
                Refusal::TooManyProcedures => "advertiser_quota",
                _ => "refused",
            }
        }),
    };
    acknowledge(connection, name, what, refused).await;
}

async fn acknowledge(connection: &Connection, name: &Name, what: Registered, refused: Option<&str>) {
    connection::answer(connection, &register_ack(name, what, refused)).await;
}
