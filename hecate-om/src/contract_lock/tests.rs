//! The table of `docs/contract-lock.md`, row by row; and what is above messages.

mod rows;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;

/// A lock of one capability.
fn lock(request: &Value, reply: &Value) -> ContractLock {
    of_capabilities(&json!([capability("shop.order", 1, request, reply)]))
}

fn capability(name: &str, version: u16, request: &Value, reply: &Value) -> Value {
    json!({"name": name, "version": version, "kind": "unary", "refusals": [], "request": request, "reply": reply})
}

fn of_capabilities(capabilities: &Value) -> ContractLock {
    let document = json!({"schema": SCHEMA, "services": {"hecate-shop": {"capabilities": capabilities}}});
    ContractLock::parse(&document.to_string()).unwrap()
}

fn told(old: &ContractLock, new: &ContractLock) -> Vec<String> {
    changes(old, new).iter().map(ToString::to_string).collect()
}

#[test]
fn every_row_of_the_table_is_what_is_done() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/contract-lock.md")).unwrap();
    let verdicts = ["compatible", "breaking", "the same"];
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let is_row = |cells: &Vec<String>| cells.len() == 3 && verdicts.contains(&cells[1].as_str());
    let mut of_page: Vec<Vec<String>> = page.lines().map(cells).filter(is_row).collect();
    let mut of_rows: Vec<Vec<String>> = Vec::new();
    let nothing = json!({"type": "object"});
    for row in rows::all() {
        let as_request = changes(&lock(&row.old, &nothing), &lock(&row.new, &nothing));
        let as_reply = changes(&lock(&nothing, &row.old), &lock(&nothing, &row.new));
        let verdict = |changes: &[Change]| match changes.iter().find(|change| change.breaking).or(changes.first()) {
            None => "the same",
            Some(change) => {
                assert_eq!(change.place.path.as_deref(), Some(row.path), "{}: {changes:?}", row.name);
                if change.breaking { "breaking" } else { "compatible" }
            }
        };
        of_rows.push(vec![row.name.to_owned(), verdict(&as_request).to_owned(), verdict(&as_reply).to_owned()]);
    }
    of_page.sort();
    of_rows.sort();
    let lines = |rows: &[Vec<String>]| rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect::<Vec<_>>();
    let (of_page, of_rows) = (lines(&of_page), lines(&of_rows));
    let missing: Vec<_> = of_rows.iter().filter(|row| !of_page.contains(row)).collect();
    let untried: Vec<_> = of_page.iter().filter(|row| !of_rows.contains(row)).collect();
    assert!(
        missing.is_empty() && untried.is_empty(),
        "done and not in the table: {missing:#?}\nin the table and not done: {untried:#?}"
    );
    assert!(of_rows.len() >= 30, "{}", of_rows.len());
}

#[test]
fn a_change_says_where_what_and_why() {
    let old = json!({"type": "object", "properties": {"lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}}},
        "$defs": {"Line": {"type": "object", "properties": {"count": {"type": "integer", "format": "int32"}}}}});
    let new = json!({"type": "object", "properties": {"lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}}},
        "$defs": {"Line": {"type": "object", "properties": {"count": {"type": "string"}}, "required": ["count"]}}});
    let nothing = json!({"type": "object"});
    assert_eq!(
        told(&lock(&old, &nothing), &lock(&new, &nothing)),
        [
            "capability `shop.order@1`, request, `$.lines[*].count`: was an integer, and is a string; \
             callers may send what is not taken any more",
            "capability `shop.order@1`, request, `$.lines[*].count`: could be left out, and is required; \
             callers of before may leave it out",
        ]
    );
    let as_json = serde_json::to_value(&changes(&lock(&old, &nothing), &lock(&new, &nothing))[0]).unwrap();
    assert_eq!(
        as_json,
        json!({
            "service": "hecate-shop", "capability": "shop.order@1", "side": "request", "path": "$.lines[*].count",
            "change": "type_changed", "what": "was an integer, and is a string", "breaking": true,
            "why": "callers may send what is not taken any more",
        })
    );
}

#[test]
fn capabilities_and_their_refusals_are_compared_by_name_and_version() {
    let nothing = json!({"type": "object"});
    let order = |rest: Value| {
        let mut order = capability("shop.order", 1, &nothing, &nothing);
        order.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        of_capabilities(&json!([order]))
    };
    let plain = || order(json!({}));
    let both = of_capabilities(&json!([
        capability("shop.order", 1, &nothing, &nothing),
        capability("shop.order", 2, &nothing, &nothing)
    ]));
    let renamed = of_capabilities(&json!([capability("shop.orders", 1, &nothing, &nothing)]));
    let none = of_capabilities(&json!([]));
    for (old, new, expected, breaks) in [
        (plain(), both.clone(), "`shop.order@2`: a new capability", false),
        (both, plain(), "`shop.order@2`: the capability is gone; callers find nobody", true),
        (plain(), renamed, "the capability is gone, perhaps renamed to `shop.orders@1`", true),
        (plain(), none, "`shop.order@1`: the capability is gone; callers", true),
        (plain(), order(json!({"kind": "bidi"})), "its kind was `unary` and is `bidi`", true),
        (order(json!({"kind": "client_stream"})), order(json!({"kind": "server_stream"})), "its kind was", true),
        (plain(), order(json!({"deprecated": "old"})), "deprecated now", false),
        (order(json!({"deprecated": "old"})), plain(), "deprecated no more", false),
        (plain(), order(json!({"refusals": ["sold_out"]})), "refuses with a new code, `sold_out`", false),
        (order(json!({"refusals": ["sold_out"]})), plain(), "does not refuse with `sold_out` any more", true),
        (plain(), ContractLock::default(), "service `hecate-shop`: the service is gone", true),
        (ContractLock::default(), plain(), "service `hecate-shop`: a new service", false),
    ] {
        let found = changes(&old, &new);
        let first = found.first().map(|change| (change.to_string(), change.breaking));
        let (said, breaking) = first.unwrap_or_default();
        assert!(said.contains(expected) && breaking == breaks, "{expected}: {found:?}");
    }
}

#[test]
fn a_lock_is_read_as_it_was_written_and_the_same_contract_is_the_same_text() {
    let request = json!({"type": "object", "title": "Order", "required": ["b", "a"], "description": "An order.",
        "properties": {"b": {"type": "string", "enum": ["y", "x"], "default": {"title": "kept"}}, "a": {}, "title": {"title": "Title"}}});
    let locked = lock(&request, &json!(true));
    let text = locked.to_json();
    assert_eq!(ContractLock::parse(&text).unwrap(), locked);
    let again = json!({"type": "object", "required": ["a", "b"],
        "properties": {"a": {}, "title": {}, "b": {"enum": ["x", "y"], "default": {"title": "kept"}, "type": "string"}}});
    assert_eq!(lock(&again, &json!(true)).to_json(), text);
    assert!(text.starts_with("{\n  \"schema\": \"hecate.contract.lock/1\",\n  \"services\": {"), "{text}");
}

#[test]
fn a_lock_that_is_wrong_is_told_with_every_place_at_once() {
    let wrong = json!({"schema": "hecate.contract.lock/2", "more": 1, "services": {
        "hecate-a": {"capabilities": [
            {"name": "", "version": 0, "kind": "unray", "refusals": [1], "request": {}, "extra": 1},
            capability("a.b", 1, &json!({}), &json!({})), capability("a.b", 1, &json!({}), &json!({})), 7,
        ]},
        "hecate-b": {}, "hecate-c": [],
    }});
    let faults = ContractLock::parse(&wrong.to_string()).unwrap_err();
    let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    let of_a = "services.hecate-a.capabilities";
    for path in [
        "more",
        "schema",
        &format!("{of_a}[0].extra"),
        &format!("{of_a}[0].name"),
        &format!("{of_a}[0].version"),
        &format!("{of_a}[0].kind"),
        &format!("{of_a}[0].refusals[0]"),
        &format!("{of_a}[0].reply"),
        &format!("{of_a}[2]"),
        &format!("{of_a}[3]"),
        "services.hecate-b.capabilities",
        "services.hecate-c",
    ] {
        assert!(paths.contains(&path), "{path} is not in {faults}");
    }
    for (text, said) in [
        ("", "not JSON"),
        ("{", "line 1 column 1"),
        ("[]", "found an array; write an object"),
        (&"[".repeat(1000), "not JSON"),
    ] {
        let faults = ContractLock::parse(text).unwrap_err().to_string();
        assert!(faults.contains(said), "{faults}");
    }
    let large = " ".repeat(MAX_BYTES + 1);
    assert!(ContractLock::parse(&large).unwrap_err().to_string().contains("has at most"));
}

#[test]
fn a_printed_contract_is_the_lock_of_its_service() {
    let printed = json!({"schema": "hecate.contract/1", "service": "hecate-shop", "version": "1.0.0", "capabilities": [
        {"name": "shop.order", "version": 1, "description": "Orders.", "request": {"type": "object"}, "reply": {"type": "object"},
         "refusals": [{"code": "sold_out", "message": "Nothing is left."}]}]});
    let lock = ContractLock::of_either(&printed.to_string()).unwrap();
    let order = &lock.services["hecate-shop"].capabilities[&("shop.order".to_owned(), 1)];
    assert_eq!((order.kind, order.refusals.as_slice()), (crate::capability::Kind::Unary, &["sold_out".to_owned()][..]));
    assert_eq!(ContractLock::of_either(&lock.to_json()).unwrap(), lock);
    assert!(ContractLock::of_contract("{\"schema\": \"hecate.contract/2\"}").is_err());
}

#[test]
fn schemas_that_mean_harm_are_told_in_time() {
    let nothing = json!({"type": "object"});
    // Each of thirty definitions is one of four, by the next ones.
    let definitions: serde_json::Map<String, Value> = (0..30)
        .map(|index| {
            let next = format!("#/$defs/T{}", index + 1);
            (format!("T{index}"), json!({"oneOf": [{"$ref": next}, {"$ref": next}, {"$ref": next}, {"$ref": next}]}))
        })
        .collect();
    let wide = json!({"$ref": "#/$defs/T0", "$defs": definitions});
    let endless = json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}});
    let mut deep = json!({"type": "string"});
    for _ in 0..50 {
        deep = json!({"type": "object", "properties": {"x": deep}});
    }
    for harm in [wide, endless] {
        let found = changes(&lock(&harm, &nothing), &lock(&nothing, &nothing));
        assert!(found.iter().any(|change| change.difference == Difference::TooLarge && change.breaking), "{found:?}");
    }
    let mut deeper = deep.clone();
    deeper["properties"]["x"]["properties"]["x"]["required"] = json!(["x"]);
    assert_eq!(changes(&lock(&deep, &nothing), &lock(&deeper, &nothing))[0].place.path.as_deref(), Some("$.x.x.x"));
}

#[test]
fn the_lock_beside_a_package_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = json!({"type": "object"});
    let contract = |request: &Value| {
        let order = json!({"name": "shop.order", "version": 1, "request": request, "reply": nothing, "refusals": []});
        json!({"schema": "hecate.contract/1", "service": "hecate-shop", "capabilities": [order]}).to_string()
    };
    let asked = json!({"type": "object", "properties": {"id": {"type": "string"}}});
    let problems =
        |request: &Value, linked: &[&str]| held::problems(folder.path(), "hecate-shop", &contract(request), linked);
    assert_eq!(problems(&asked, &["hecate-shop"]), Vec::<String>::new(), "no lock, nothing to hold");

    fs::write(folder.path().join(FILE), lock(&asked, &nothing).to_json()).unwrap();
    assert_eq!(problems(&asked, &["hecate-shop"]), Vec::<String>::new());
    let found = problems(&nothing, &["hecate-shop"]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].contains("request, `$.id`: the field is gone") && found[1].contains("--accept-breaking"),
        "{found:?}"
    );

    // A service that only another program of the package has is one that a source names.
    assert!(problems(&asked, &["hecate-other"])[0].contains("service `hecate-shop` is in `contract.lock.json`"));
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/shop.rs"), "#[hecate_service(name = \"hecate-shop\")]").unwrap();
    assert_eq!(problems(&asked, &["hecate-other"]), Vec::<String>::new());

    fs::write(folder.path().join(FILE), "{").unwrap();
    let found = problems(&asked, &["hecate-shop"]);
    assert!(found.len() == 1 && found[0].contains("not JSON: EOF") && found[0].contains("line 1"), "{found:?}");
}
