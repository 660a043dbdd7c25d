//! What a station answers itself: its record store, and the two procedures of its realm.

use std::sync::Arc;

use macula_rust::cbor::Value;
use macula_rust::frame::{self, VerifiedRequest};

use crate::clock;
use crate::connection::Connection;
use crate::core::Core;
use crate::counts::Refusal;
use crate::issued::Subject;
use crate::realm::{self, Asked, NotDone};
use crate::registrations::is_of_realm;
use crate::wire::{Id, entry, fixed};

/// What claims an org, and what asks for a token, under the realm's name.
const CLAIM: &str = "_realm/_realm/identity/request_provider_authorization_v1";
const TOKEN: &str = "_realm/_realm/identity/issue_service_token_v1";

/// The realm's procedures as they are advertised.
pub(crate) fn of_realm(name: &str) -> [String; 2] {
    [CLAIM, TOKEN].map(|procedure| format!("{name}/{procedure}"))
}

/// The signed reply to a request for the station itself.
pub(crate) async fn answer(core: &Core, connection: &Arc<Connection>, request: &VerifiedRequest) -> Option<Value> {
    let payload = &request.payload;
    let reply = match request.procedure.as_str() {
        "_dht.put_record" => put_record(core, connection, payload),
        "_dht.find_record" => find_records(core, payload, |mut records| match records.is_empty() {
            true => result("not_found", None),
            false => result("record", Some(entry("record", Value::Bytes(records.swap_remove(0))))),
        }),
        "_dht.find_records" => find_records(core, payload, listed),
        "_dht.find_records_by_type" => find_records_by_type(core, payload),
        other => match of_this_realm(core, request.realm, other) {
            Some(CLAIM) => claim(core, payload).map_err(told),
            Some(TOKEN) => token(core, request).map_err(told),
            _ => Err(("unknown_next_peer", None)),
        },
    };
    let key = &core.keys.node;
    let signed = match reply {
        Ok(value) => frame::sign_result(request, &value, None, key),
        Err((code, detail)) => frame::sign_provider_error(request, code, detail.as_deref(), None, key),
    };
    signed.inspect_err(|error| tracing::warn!(%error, "the station cannot sign its reply")).ok()
}

/// A code and a detail, as a provider's error has them.
type Refused = (&'static str, Option<String>);

/// As the SDK tells what a handler refuses.
fn told(refused: NotDone) -> Refused {
    ("handler_error", Some(refused.to_string()))
}

fn of_this_realm<'a>(core: &Core, realm: Id, procedure: &'a str) -> Option<&'a str> {
    let own = (realm == core.realm.id()).then_some(procedure)?;
    own.strip_prefix(core.realm.name())?.strip_prefix('/')
}

fn put_record(core: &Core, connection: &Arc<Connection>, payload: &Value) -> Result<Value, Refused> {
    let Value::Bytes(wire) = argument(payload, "record")? else { return Err(malformed()) };
    let node = connection.node();
    let put =
        if is_of_realm(core, wire) { Err("not_authorized") } else { core.records.put(wire, *node, clock::now_ms()) };
    if let Err(reason) = put {
        let too_many = reason == "too_many_records";
        core.counters.refuse(if too_many { Refusal::TooManyRecords } else { Refusal::RecordRefused });
        return Ok(result("refused", Some(entry("reason", Value::text(reason)))));
    }
    // Its connection may have ended meanwhile, and taken its advertisements along.
    if !core.nodes.is_current(connection) && core.nodes.connection(node).is_none() {
        core.records.forget_advertisements(node);
    }
    Ok(result("ok", None))
}

fn find_records(core: &Core, payload: &Value, tell: impl FnOnce(Vec<Vec<u8>>) -> Value) -> Result<Value, Refused> {
    let key = fixed(Some(argument(payload, "key")?)).ok_or_else(malformed)?;
    let now = clock::now_ms();
    let forged = core.faults.forged(&key).into_iter();
    let issued = core.issued.find(&key, now).filter(|(subject, _)| is_shown(core, subject));
    let records = forged.chain(issued.map(|(_, wire)| wire)).chain(core.records.find(&key, now));
    Ok(tell(records.map(|wire| wire.to_vec()).collect()))
}

fn find_records_by_type(core: &Core, payload: &Value) -> Result<Value, Refused> {
    let record_type = match argument(payload, "type")? {
        Value::Int(record_type) => u8::try_from(*record_type).map_err(|_| malformed())?,
        _ => return Err(malformed()),
    };
    let now = clock::now_ms();
    let issued = core.issued.find_by_type(record_type, now).into_iter();
    let issued = issued.filter(|(subject, _)| is_shown(core, subject)).map(|(_, wire)| wire);
    let records = issued.chain(core.records.find_by_type(record_type, now));
    Ok(listed(records.map(|wire| wire.to_vec()).collect()))
}

fn is_shown(core: &Core, subject: &Subject) -> bool {
    !matches!(subject, Subject::Directory { org } if core.faults.holds_org(org))
}

fn claim(core: &Core, payload: &Value) -> Result<Value, NotDone> {
    let org = realm::text(payload, "org")?;
    for told in ["service_name", "box"] {
        realm::text(payload, told)?;
    }
    if core.faults.holds_org(org) {
        core.counters.refuse(Refusal::NotAdmitted);
        return Err(NotDone::NotAdmitted);
    }
    core.realm.admit(org).inspect_err(|error| {
        let too_many = *error == NotDone::TooManyOrgs;
        core.counters.refuse(if too_many { Refusal::TooManyOrgs } else { Refusal::NotAdmitted });
    })?;
    core.issued.add(Subject::Directory { org: org.to_owned() });
    Ok(Value::Map(vec![entry("org", Value::text(org))]))
}

fn token(core: &Core, request: &VerifiedRequest) -> Result<Value, NotDone> {
    let asked = Asked::read(&request.payload)?;
    if core.faults.holds_org(&asked.org) || !core.realm.has(&asked.org) {
        core.counters.refuse(Refusal::NotAdmitted);
        return Err(NotDone::NotAdmitted);
    }
    let now = clock::signed(clock::now_ms());
    let (token, expires) = realm::mint(&core.keys.realm, core.realm.name(), &request.caller, &asked, now)
        .inspect_err(|_| core.counters.refuse(Refusal::TokenRefused))?;
    Ok(Value::Map(vec![entry("token", Value::Bytes(token)), entry("expires_at_ms", Value::Int(expires.into()))]))
}

/// The one argument of a procedure of the record store, beside its version.
fn argument<'a>(payload: &'a Value, name: &str) -> Result<&'a Value, Refused> {
    let Value::Map(fields) = payload else { return Err(malformed()) };
    match (payload.get("v"), payload.get(name)) {
        (Some(Value::Int(1)), Some(value)) if fields.len() == 2 => Ok(value),
        _ => Err(malformed()),
    }
}

fn malformed() -> Refused {
    ("malformed_arguments", None)
}

fn result(result: &str, more: Option<(Value, Value)>) -> Value {
    let mut fields = vec![entry("v", Value::Int(1)), entry("result", Value::text(result))];
    fields.extend(more);
    Value::Map(fields)
}

fn listed(records: Vec<Vec<u8>>) -> Value {
    let records = records.into_iter().map(Value::Bytes).collect();
    result("records", Some(entry("records", Value::List(records))))
}
