use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::capability::{CapabilityError, HandlerContract};
use crate::contract::Contract;
use crate::contract::fixtures::{self, Order, handler};
use crate::contract::message::references_in;

mod first {
    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(super) struct Item {
        weight: f64,
    }
}

mod second {
    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(super) struct Item {
        name: String,
    }
}

/// Contains something that differs between reading and writing, and does not differ itself.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Outer {
    inner: Inner,
    same: first::Item,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Inner {
    #[serde(default)]
    text: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Both {
    first: first::Item,
    second: second::Item,
}

fn only(handler: HandlerContract) -> Value {
    fixtures::contract(vec![("shop.do", handler)]).openapi()
}

fn schemas(document: &Value) -> Vec<&str> {
    document["components"]["schemas"].as_object().unwrap().keys().map(String::as_str).collect()
}

fn operation(document: &Value) -> &Value {
    &document["paths"]["/capabilities/shop.do/v1"]["post"]
}

fn request(document: &Value) -> &Value {
    &operation(document)["requestBody"]["content"]["application/json"]["schema"]["$ref"]
}

fn reply(document: &Value) -> &Value {
    &operation(document)["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
}

#[test]
fn what_streams_is_told_with_the_schema_of_its_items() {
    let document = fixtures::streams().openapi();
    let operation = |name: &str| document["paths"][format!("/capabilities/shop.{name}/v1")]["post"].clone();
    let kinds = |content: &Value| content.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let (json, lines) = ("application/json", "application/x-ndjson");
    let events = "text/event-stream";
    for (name, kind, taken, given) in [
        ("watch", "server_stream", json, &[lines, events][..]),
        ("bulk", "client_stream", lines, &[json]),
        ("haggle", "bidi", lines, &[lines, events]),
    ] {
        let operation = operation(name);
        assert_eq!(operation["x-kind"], kind);
        let (request, reply) = (&operation["requestBody"]["content"], &operation["responses"]["200"]["content"]);
        assert_eq!(
            (kinds(request), kinds(reply)),
            (vec![taken.to_owned()], given.iter().map(|kind| (*kind).to_owned()).collect())
        );
        assert!(request[taken]["schema"]["$ref"].as_str().unwrap().contains("Order"), "{request}");
        for form in given {
            assert!(reply[*form]["schema"]["$ref"].as_str().unwrap().contains("Placed"), "{reply}");
        }
        assert!(operation["responses"]["422"].is_object());
    }
}

/// Every `$ref` in the document, those of the operations included.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        _ => {}
    }
}

fn assert_whole(document: &Value) {
    let mut found = Vec::new();
    references(document, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("`{reference}` leaves the document"));
        assert!(document.pointer(pointer).is_some(), "`{reference}` points to nothing in {document:#}");
    }
    for name in schemas(document) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        assert!(name.chars().all(allowed), "`{name}` cannot name a component");
    }
    assert!(!document["components"]["schemas"].to_string().contains("$defs"), "{document:#}");
}

#[test]
fn every_version_of_a_capability_has_a_path_and_an_operation() {
    let document = fixtures::shop().openapi();
    assert_eq!(document["openapi"], "3.1.0");
    let info = json!({"title": "hecate-shop", "version": "1.2.3", "description": "Sells things."});
    assert_eq!(document["info"], info);
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/capabilities", "/capabilities/shop.order/v2", "/capabilities/shop.ping/v1", "/openapi.json"]);

    let order = &document["paths"]["/capabilities/shop.order/v2"]["post"];
    assert_eq!(order["operationId"], "shop.order.v2");
    assert_eq!(order["summary"], "Places an order.");
    assert_eq!(order["description"], "Places an order.\n\nIt is sent tomorrow.");
    assert!(order.get("deprecated").is_none());
    let ping = &document["paths"]["/capabilities/shop.ping/v1"]["post"];
    assert_eq!(ping["deprecated"], true);
    assert_eq!(ping["description"], "Does nothing.\n\nDeprecated: health is served elsewhere");
}

#[test]
fn every_failure_is_a_problem_and_refusals_tell_their_codes() {
    let document = fixtures::shop().openapi();
    let responses = document["paths"]["/capabilities/shop.order/v2"]["post"]["responses"].as_object().unwrap();
    let statuses: Vec<_> = responses.keys().collect();
    assert_eq!(statuses, ["200", "400", "403", "404", "413", "421", "422", "429", "500", "503", "504", "508"]);
    for (status, response) in responses.iter().filter(|(status, _)| *status != "200") {
        let response = match response.get("$ref").and_then(Value::as_str) {
            Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
            None => response,
        };
        let schema = &response["content"]["application/problem+json"]["schema"];
        assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{status}");
        assert_eq!(response.get("headers").is_some(), ["429", "503"].contains(&status.as_str()), "{status}");
    }
    assert_eq!(responses["422"]["description"], "The service refused:\n\n- `sold_out`: Nothing is left.");
    let ping = &document["paths"]["/capabilities/shop.ping/v1"]["post"];
    assert_eq!(ping["responses"]["422"]["description"], "The service refused. It makes its codes at run time.");
}

#[test]
fn all_codes_of_one_response_have_its_status() {
    for failure in super::FAILURES.iter().filter(|failure| failure.status != super::MISDIRECTED) {
        for code in failure.codes {
            assert_eq!(code.http_status(), failure.status, "{code:?}");
        }
    }
}

#[test]
fn no_reference_dangles() {
    let maps = handler::<BTreeMap<String, Order>, BTreeMap<String, first::Item>, CapabilityError>();
    let contracts: [Contract; 5] = [
        fixtures::shop(),
        fixtures::contract(vec![("shop.do", maps), ("shop.be", handler::<Both, Outer, CapabilityError>())]),
        fixtures::contract(vec![("shop.do", handler::<Outer, Outer, CapabilityError>())]),
        fixtures::contract(vec![("shop.do", handler::<first::Item, second::Item, CapabilityError>())]),
        fixtures::contract(vec![("shop.do", HandlerContract { request: odd, reply: odd, refusals: Vec::new })]),
    ];
    for contract in contracts {
        assert_whole(&contract.openapi());
    }
}

fn odd(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "odd": {"$ref": "#/$defs/a~1b%20%C3%9F"},
            "deep": {"$ref": "#/$defs/a~1b%20%C3%9F/properties/deep"},
            "twin": {"$ref": "#/$defs/a_b__"},
            "gone": {"$ref": "#/$defs/gone"},
            "away": {"$ref": "https://example.org/schema.json"},
        },
        "$defs": {"a/b ß": {"properties": {"deep": {"type": "string"}}}, "a_b__": {"type": "integer"}},
    })
}

#[test]
fn odd_names_become_components_and_references_to_nothing_allow_anything() {
    let document = only(HandlerContract { request: odd, reply: odd, refusals: Vec::new });
    assert_eq!(
        schemas(&document),
        ["Capabilities", "Problem", "shop.do.v1.Reply", "shop.do.v1.Request", "shop.do.v1.a_b__", "shop.do.v1.a_b__2"]
    );
    let properties = &document["components"]["schemas"]["shop.do.v1.Request"]["properties"];
    assert_eq!(properties["odd"]["$ref"], "#/components/schemas/shop.do.v1.a_b__");
    assert_eq!(properties["deep"]["$ref"], "#/components/schemas/shop.do.v1.a_b__/properties/deep");
    assert_eq!(properties["twin"]["$ref"], "#/components/schemas/shop.do.v1.a_b__2");
    assert_eq!(properties["gone"], json!({}));
    assert_eq!(properties["away"], json!({}));
}

#[test]
fn a_message_without_a_name_is_called_request_or_reply() {
    let document = only(handler::<(), BTreeMap<String, first::Item>, CapabilityError>());
    assert_eq!(request(&document), "#/components/schemas/shop.do.v1.Request");
    assert_eq!(reply(&document), "#/components/schemas/shop.do.v1.Reply");
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["shop.do.v1.Request"], json!({"type": "object"}));
    let items = &schemas["shop.do.v1.Reply"]["additionalProperties"];
    assert_eq!(items["$ref"], "#/components/schemas/shop.do.v1.Item");
}

#[test]
fn a_type_that_is_read_and_written_alike_is_described_once() {
    let document = only(handler::<first::Item, first::Item, CapabilityError>());
    assert_eq!(schemas(&document), ["Capabilities", "Problem", "shop.do.v1.Item"]);
    assert_eq!(request(&document), reply(&document));
}

#[test]
fn a_type_that_is_written_otherwise_is_described_twice_with_all_that_contain_it() {
    let document = only(handler::<Outer, Outer, CapabilityError>());
    assert_eq!(
        schemas(&document),
        [
            "Capabilities",
            "Problem",
            "shop.do.v1.Inner",
            "shop.do.v1.Inner.reply",
            "shop.do.v1.Item",
            "shop.do.v1.Outer",
            "shop.do.v1.Outer.reply",
        ]
    );
    assert_eq!(reply(&document), "#/components/schemas/shop.do.v1.Outer.reply");
    let schemas = &document["components"]["schemas"];
    assert_eq!(references_in(&schemas["shop.do.v1.Outer.reply"]).len(), 2);
    let inner = &schemas["shop.do.v1.Outer.reply"]["properties"]["inner"]["$ref"];
    assert_eq!(inner, "#/components/schemas/shop.do.v1.Inner.reply");
    assert_eq!(schemas["shop.do.v1.Inner.reply"]["required"], json!(["text"]));
    assert!(schemas["shop.do.v1.Inner"].get("required").is_none());
}

#[test]
fn types_of_one_name_from_two_modules_stay_apart() {
    let document = only(handler::<first::Item, second::Item, CapabilityError>());
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["shop.do.v1.Item"]["required"], json!(["weight"]));
    assert_eq!(schemas["shop.do.v1.Item.reply"]["required"], json!(["name"]));

    let document = only(handler::<Both, (), CapabilityError>());
    let properties = &document["components"]["schemas"]["shop.do.v1.Both"]["properties"];
    assert_ne!(properties["first"], properties["second"]);
    assert_whole(&document);
}
