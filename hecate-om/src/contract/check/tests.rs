use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::*;
use crate::capability::{CapabilityError, CapabilityInfo, HandlerContract};
use crate::contract::fixtures::{self, Order, Placed, handler};
use crate::registry::Registration;
use crate::service::{ServiceInfo, StartError};

fn found(handler: HandlerContract) -> Vec<String> {
    let contract = fixtures::contract(vec![("shop.do", handler)]);
    contract.capabilities.iter().flat_map(problems_of).map(|problem| problem.to_string()).collect()
}

fn in_request(request: fn(&mut SchemaGenerator) -> Schema) -> Vec<String> {
    found(HandlerContract { request, ..handler::<(), (), CapabilityError>() })
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
#[allow(dead_code)]
enum Tagged {
    Empty,
    Named { name: String },
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Flattened {
    own: u8,
    #[serde(flatten)]
    tagged: Tagged,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum Either {
    Order(Box<Order>),
    Tagged(Tagged),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Wrapped(Order);

#[test]
fn messages_that_are_objects_have_no_problems() {
    let handlers = [
        handler::<(), (), CapabilityError>(),
        handler::<Order, Placed, CapabilityError>(),
        handler::<Tagged, Flattened, CapabilityError>(),
        handler::<Either, Wrapped, CapabilityError>(),
        handler::<BTreeMap<String, u8>, Box<Order>, CapabilityError>(),
        handler::<serde_json::Map<String, serde_json::Value>, (), CapabilityError>(),
    ];
    for handler in handlers {
        assert_eq!(found(handler), Vec::<String>::new());
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[allow(dead_code)]
enum Shout {
    Silence,
    Loud { text: String },
    Twice(u8),
}

#[test]
fn what_is_no_object_is_told_with_its_place_and_a_way_out() {
    assert_eq!(
        found(handler::<String, Vec<Order>, CapabilityError>()),
        [
            "capability `shop.do@1`, request: found a string, but a message is an object; \
             help: put it into a field of a struct",
            "capability `shop.do@1`, reply: found an array, but a message is an object; \
             help: put it into a field of a struct",
        ]
    );
    assert_eq!(
        found(handler::<Shout, u8, CapabilityError>()),
        [
            "capability `shop.do@1`, request, `/$defs/Shout/oneOf/0`: found a string, but a message is an object; \
             help: write `#[serde(tag = \"kind\")]` above the enum and give its variants named fields",
            "capability `shop.do@1`, reply: found a number, but a message is an object; \
             help: put it into a field of a struct",
        ]
    );
    assert_eq!(
        found(handler::<serde_json::Value, Option<Order>, CapabilityError>()),
        [
            "capability `shop.do@1`, request: found a schema that allows any value, but a message is an object; \
             help: use a struct with named fields, so that callers know what they are",
            "capability `shop.do@1`, reply, `/anyOf/1`: found `null`, but a message is an object; \
             help: take the type itself instead of an `Option` of it, and make its fields optional",
        ]
    );
}

#[test]
fn one_part_that_demands_an_object_is_enough() {
    let enough: [fn(&mut SchemaGenerator) -> Schema; 4] = [
        |_| json_schema!({"type": "object", "oneOf": [{"required": ["a"]}, true]}),
        |_| json_schema!({"allOf": [true, {"type": "object"}]}),
        |_| json_schema!({"type": ["object"]}),
        |_| json_schema!({"const": {"a": 1}}),
    ];
    for schema in enough {
        assert_eq!(in_request(schema), Vec::<String>::new());
    }
    let too_little: [fn(&mut SchemaGenerator) -> Schema; 6] = [
        |_| json_schema!({"properties": {"a": {"type": "string"}}}),
        |_| json_schema!({"type": ["object", "null"]}),
        |_| json_schema!({"enum": [{}, 1]}),
        |_| json_schema!({"anyOf": [{"type": "object"}, {}]}),
        |_| json_schema!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}),
        |_| false.into(),
    ];
    for schema in too_little {
        assert_eq!(in_request(schema).len(), 1, "{:?}", in_request(schema));
    }
}

#[test]
fn fields_that_the_mesh_takes_are_told_wherever_they_end_up_at_the_top() {
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Asked {
        caller: String,
        #[serde(flatten)]
        choice: Choice,
        below: Below,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Choice {
        First { _hecate: u8 },
        Second { fine: u8 },
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Below {
        caller: String,
    }

    let told = found(handler::<Asked, (), CapabilityError>());
    let advice = "is reserved, the mesh takes it away before the message arrives; \
                  help: write `#[serde(rename = \"...\")]` above it, or rename it";
    let inner = "/$defs/Asked/anyOf/0/properties/_hecate";
    assert_eq!(
        told,
        [
            format!("capability `shop.do@1`, request, `{inner}`: the field `_hecate` {advice}"),
            format!("capability `shop.do@1`, request, `/$defs/Asked/properties/caller`: the field `caller` {advice}"),
        ]
    );
}

#[test]
fn a_reference_to_nothing_is_told() {
    let found = in_request(|_| json_schema!({"type": "object", "properties": {"a": {"$ref": "#/$defs/Gone"}}}));
    assert_eq!(
        found,
        ["capability `shop.do@1`, request: the `$ref` `#/$defs/Gone` points to nothing in this message; \
          help: correct the `JsonSchema` that was written by hand, or derive it"]
    );
}

static TWICE: ServiceInfo = ServiceInfo::new(
    "hecate-contract-twin",
    "1.0.0",
    "Is there twice.",
    "contract::Twin",
    "twin.rs:1",
    &[CapabilityInfo::new("contract_twin.say", 1, "", 1)],
    crate::service::IdentitySpec::new("contract_twin", &[], &[], 30),
    8470,
    "",
);

inventory::submit!(Registration(&TWICE));

#[test]
fn all_problems_of_a_service_are_told_at_once() {
    let capabilities = vec![
        CapabilityInfo::new("contract_twin.say", 1, "", 1),
        CapabilityInfo::new("contract_twin.hear", 1, "", 1),
        CapabilityInfo::new("contract_twin.lost", 1, "", 1),
    ];
    let blueprint = Blueprint {
        settings: crate::config::SettingsType::of::<()>(),
        info: fixtures::service(capabilities),
        contracts: || vec![handler::<String, (), CapabilityError>(), handler::<(), bool, CapabilityError>()],
        start: |_| Box::pin(async { Err(StartError::config("never started")) }),
    };
    let report = report("hecate-shop", &problems(blueprint));
    let lines: Vec<_> = report.lines().collect();
    assert_eq!(lines[0], "the contract of `hecate-shop` has 4 problems:");
    assert!(lines[1].starts_with("  - capability `contract_twin.say` version 1 is declared by"), "{report}");
    assert!(lines[2].starts_with("  - `hecate-shop` declares 3 capabilities and has 2 handlers; help: "), "{report}");
    assert!(lines[3].starts_with("  - capability `contract_twin.say@1`, request: found a string"), "{report}");
    assert!(lines[4].starts_with("  - capability `contract_twin.hear@1`, reply: found a boolean"), "{report}");
    assert_eq!(lines.len(), 5);
}

#[test]
fn a_boolean_that_the_mesh_loses_is_told_with_its_place_and_a_way_out() {
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    #[allow(dead_code)]
    enum Change {
        Lamp { id: u8, on: bool },
        Nothing,
    }
    assert_eq!(
        found(handler::<Change, (), CapabilityError>()),
        [
            "capability `shop.do@1`, request, `/$defs/Change/oneOf/0/properties/on`: a boolean beside the tag of an enum \
          is 0 or 1 on the mesh, and is not read back as a boolean there; \
          help: write `#[serde(tag = \"kind\", content = \"value\")]`, or put an enum of two names in its place"
        ]
    );
}
