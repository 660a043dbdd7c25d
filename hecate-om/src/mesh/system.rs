//! What every service answers over the mesh besides its own capabilities: `info`, open to all, and for the
//! realm `describe`, which tells schemas, and `get_limits`. Limits are changed on the box alone.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use macula_rust::station_link::{self, Handler};
use serde_json::{Value as Json, json};

use super::metadata::{self, Metadata};
use super::value::{self, Value};
use crate::capability::{Access, CapabilityError, ErrorCode, Kind};
use crate::contract::Contract;
use crate::dispatch::Dispatch;
use crate::guard::Limits;
use crate::guard::rate::Rates;
use crate::health::board::Board;
use crate::node_id::NodeId;
use crate::service::Blueprint;
use crate::telemetry::panics;

/// What `info` and `describe` are made of.
pub(crate) struct System {
    pub(crate) blueprint: Blueprint,
    pub(crate) board: Arc<Board>,
    pub(crate) org: String,
    pub(crate) node: NodeId,
    pub(crate) since: Instant,
    pub(crate) dispatch: Arc<Dispatch>,
    pub(crate) description: OnceLock<Result<Value, String>>,
}

impl System {
    /// All of it: the last part of each name, who may call it, and what answers. All are of version 1.
    pub(crate) fn offers(self: &Arc<Self>) -> [(&'static str, Access, Handler); 3] {
        [
            ("info", Access::Open, self.info()),
            ("describe", Access::Realm, self.describe()),
            ("get_limits", Access::Realm, self.limits()),
        ]
    }

    /// Name, version, health in one word and what is offered; nothing that is not for everybody.
    fn info(self: &Arc<Self>) -> Handler {
        let system = Arc::clone(self);
        answering(move || {
            let info = system.blueprint.info;
            let offers: Vec<_> = info
                .capabilities
                .iter()
                .map(|offer| super::procedure(&system.org, offer.name, offer.version))
                .collect();
            // Who has no contract of it cannot tell otherwise how it is to be called.
            let streams: BTreeMap<_, _> = info
                .capabilities
                .iter()
                .filter(|offer| offer.kind != Kind::Unary)
                .map(|offer| (super::procedure(&system.org, offer.name, offer.version), offer.kind.to_string()))
                .collect();
            value::encode(&json!({
                "name": info.name,
                "version": info.version,
                "description": info.description,
                "org": system.org,
                "node": system.node.to_string(),
                "hecate_om": env!("CARGO_PKG_VERSION"),
                "uptime_s": system.since.elapsed().as_secs(),
                "status": system.board.summary().status,
                "capabilities": offers,
                "streams": streams,
            }))
            .map_err(value::ValueError::of_reply)
        })
    }

    /// The contract: every capability with its schemas, as OpenAPI. Made when somebody first asks.
    fn describe(self: &Arc<Self>) -> Handler {
        let system = Arc::clone(self);
        answering(move || {
            let made = system.description.get_or_init(|| {
                let document = panics::caught(|| Contract::of(system.blueprint).openapi());
                let document = document.map_err(|panic| panic.to_string())?;
                value::encode(&json!({"openapi": without_booleans(document)})).map_err(|error| error.to_string())
            });
            made.clone().map_err(CapabilityError::internal)
        })
    }

    /// What every capability takes, as declared and as it is now, and how much of that is used.
    fn limits(self: &Arc<Self>) -> Handler {
        let system = Arc::clone(self);
        answering(move || value::encode(&system.dispatch.told_limits()).map_err(value::ValueError::of_reply))
    }
}

/// The mesh carries no booleans: in a schema, `true` is `{}` and `false` is `{"not": {}}`; elsewhere they
/// are 1 and 0.
fn without_booleans(document: Json) -> Json {
    match document {
        Json::Bool(truth) => Json::from(u8::from(truth)),
        Json::Array(items) => items.into_iter().map(without_booleans).collect(),
        Json::Object(members) => {
            let member = |(name, member): (String, Json)| {
                let is_schema = matches!(name.as_str(), "additionalProperties" | "items" | "unevaluatedProperties");
                let member = match member {
                    Json::Bool(true) if is_schema => json!({}),
                    Json::Bool(false) if is_schema => json!({"not": {}}),
                    other => without_booleans(other),
                };
                (name, member)
            };
            Json::Object(members.into_iter().map(member).collect())
        }
        other => other,
    }
}

/// Callers of the mesh are counted here, too: `info` answers everybody.
fn answering(answer: impl Fn() -> Result<Value, CapabilityError> + Send + Sync + 'static) -> Handler {
    let answer = Arc::new((answer, Rates::new(Limits::DEFAULT, Instant::now())));
    station_link::handler(move |mut request| {
        let answer = Arc::clone(&answer);
        async move {
            let (answer, rates) = &*answer;
            let is_ours = Metadata::take(&mut request.payload).is_some();
            let caller = NodeId::from_bytes(request.caller);
            let taken = rates.take(&caller, Instant::now()).map_err(|limited| {
                CapabilityError::new(ErrorCode::RateLimited, "too many calls of this come")
                    .retryable(Some(limited.retry_after))
            });
            taken
                .and_then(|()| answer())
                .or_else(|error| if is_ours { Ok(metadata::refusal(&error)) } else { Err(metadata::text(&error)) })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::CapabilityInfo;
    use crate::config::SettingsType;
    use crate::service::{IdentitySpec, ServiceInfo};

    static OFFERS: [CapabilityInfo; 1] = [CapabilityInfo::new("lab.do", 1, "Does it.", 1000)];
    static LAB: ServiceInfo = {
        let identity = IdentitySpec::new("lab", &[], &[], 30);
        ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", &OFFERS, identity, 8470, "{}")
    };

    #[test]
    fn limits_are_told_to_the_realm_and_changed_by_nobody_over_the_mesh() {
        let dispatch = Dispatch::new(&LAB);
        let system = Arc::new(System {
            blueprint: Blueprint {
                info: &LAB,
                settings: SettingsType::of::<()>(),
                contracts: Vec::new,
                start: |_| Box::pin(std::future::pending()),
            },
            board: Board::new(&LAB, Arc::clone(&dispatch)),
            org: "acme".to_owned(),
            node: NodeId::from_bytes([1; 32]),
            since: Instant::now(),
            dispatch,
            description: OnceLock::new(),
        });
        let offers: Vec<_> = system.offers().into_iter().map(|(name, access, _)| (name, access)).collect();
        let expected = [("info", Access::Open), ("describe", Access::Realm), ("get_limits", Access::Realm)];
        assert_eq!(offers, expected);
        value::encode(&system.dispatch.told_limits()).unwrap();
    }

    #[test]
    fn a_schema_says_the_same_without_booleans() {
        let schema = json!({"type": "object", "additionalProperties": false, "x": [true, {"items": true}]});
        let expected = json!({"type": "object", "additionalProperties": {"not": {}}, "x": [1, {"items": {}}]});
        assert_eq!(without_booleans(schema), expected);
    }
}
