//! What the types of a service promise, as JSON Schema: requests, replies and refusal codes.
//!
//! Apart from `manifest`, which is known at compile time: schemas are made at run time, and only when
//! somebody asks. A call never comes through here.

mod check;
mod components;
#[cfg(test)]
mod fixtures;
mod made;
mod message;
mod openapi;
mod problem;
mod sample;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::capability::json;
use crate::capability::{Access, CapabilityInfo, HandlerContract, RefusalCode};
use crate::service::{Blueprint, ServiceInfo};
pub(crate) use message::MessageSchema;

#[cfg(feature = "macula")]
pub(crate) use check::RESERVED;
pub use check::check;
pub(crate) use made::Chance;

const SCHEMA: &str = "hecate.contract/1";

/// What a service promises its callers. Serialized, it is what `<binary> contract` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Contract {
    schema: &'static str,
    service: &'static str,
    version: &'static str,
    #[serde(skip)]
    description: &'static str,
    capabilities: Vec<CapabilityContract>,
}

/// What one version of a capability takes, gives and refuses with.
#[derive(Debug, Serialize)]
struct CapabilityContract {
    name: &'static str,
    version: u16,
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated: Option<&'static str>,
    /// Told to callers; not of the contract that a lock holds.
    #[serde(skip)]
    access: Access,
    #[serde(skip)]
    is_idempotent: bool,
    request: MessageSchema,
    reply: MessageSchema,
    refusals: Vec<RefusalCode>,
}

impl Contract {
    /// Makes the schemas of a service: milliseconds of work, so not for the way of a call.
    pub(crate) fn of(blueprint: Blueprint) -> Self {
        Self::new(blueprint.info, &(blueprint.contracts)())
    }

    fn new(service: &ServiceInfo, handlers: &[HandlerContract]) -> Self {
        let described = service.capabilities.iter().zip(handlers);
        Self {
            schema: SCHEMA,
            service: service.name,
            version: service.version,
            description: service.description,
            capabilities: described.map(|(info, handler)| CapabilityContract::new(info, handler)).collect(),
        }
    }

    /// The document that `<binary> contract` prints: the same bytes for the same types.
    pub(crate) fn to_json(&self) -> String {
        // Text, numbers and JSON values, with text for keys: this always has a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The OpenAPI 3.1 document of the local API.
    pub(crate) fn openapi(&self) -> Value {
        openapi::document(self)
    }
}

/// A request that a handler takes; `{}` where its schema allows none. Makes no other schema, so that
/// a service with many capabilities can show one of them while it starts.
pub(crate) fn sample_request(handler: &HandlerContract) -> Value {
    sample::of(&MessageSchema::request(handler.request)).unwrap_or_else(|| serde_json::json!({}))
}

/// The schema of a request, and that of a reply, of which messages are made by chance.
pub(crate) fn schemas<R: JsonSchema + 'static, T: JsonSchema + 'static>() -> [MessageSchema; 2] {
    [MessageSchema::request(json::schema::<R>), MessageSchema::reply(json::schema::<T>)]
}

impl CapabilityContract {
    fn new(info: &CapabilityInfo, handler: &HandlerContract) -> Self {
        Self {
            name: info.name,
            version: info.version,
            description: info.description,
            deprecated: info.deprecated,
            access: info.access,
            is_idempotent: info.is_idempotent,
            request: MessageSchema::request(handler.request),
            reply: MessageSchema::reply(handler.reply),
            refusals: (handler.refusals)(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::fixtures::{self, Order, Placed, handler};
    use crate::capability::CapabilityError;

    #[test]
    fn the_document_tells_types_and_refusals_of_every_version() {
        let contract = fixtures::shop();
        let text = contract.to_json();
        assert!(text.ends_with("}\n"), "{text}");
        assert!(text.starts_with("{\n  \"schema\": \"hecate.contract/1\",\n  \"service\": \"hecate-shop\""), "{text}");

        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let [order, ping] = document["capabilities"].as_array().unwrap().as_slice() else { panic!("{text}") };
        assert_eq!(order["name"], "shop.order");
        assert_eq!(order["version"], 2);
        assert_eq!(order["request"]["$ref"], "#/$defs/Order");
        assert_eq!(order["request"]["$defs"]["Order"]["required"], json!(["id", "lines"]));
        assert_eq!(order["reply"]["$ref"], "#/$defs/Placed");
        assert_eq!(order["refusals"], json!([{"code": "sold_out", "message": "Nothing is left."}]));
        assert!(order.get("deprecated").is_none());
        assert_eq!(ping["deprecated"], "health is served elsewhere");
        assert_eq!(ping["request"], json!({"type": "object"}));
        assert_eq!(ping["reply"], json!({"type": "object"}));
    }

    #[test]
    fn a_request_is_described_as_it_is_read_and_a_reply_as_it_is_written() {
        let contract = fixtures::contract(vec![("shop.order", handler::<Placed, Placed, CapabilityError>())]);
        let document: serde_json::Value = serde_json::from_str(&contract.to_json()).unwrap();
        let capability = &document["capabilities"][0];
        assert_eq!(capability["request"]["$defs"]["Placed"]["required"], json!(["order"]));
        assert_eq!(capability["reply"]["$defs"]["Placed"]["required"], json!(["order", "notes"]));
    }

    #[test]
    fn the_same_types_make_the_same_bytes() {
        assert_eq!(fixtures::shop().to_json(), fixtures::shop().to_json());
        assert_eq!(fixtures::shop().openapi().to_string(), fixtures::shop().openapi().to_string());
    }

    #[test]
    fn a_sample_can_be_sent() {
        let sample = super::sample_request(&handler::<Order, Placed, CapabilityError>());
        serde_json::from_value::<Order>(sample).unwrap();
        assert_eq!(super::sample_request(&handler::<(), (), CapabilityError>()), json!({}));
    }
}
