//! What can happen to a message, as two schemas each.

use serde_json::{Value, json};

pub(super) struct Row {
    /// As the page has it.
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) old: Value,
    pub(super) new: Value,
}

/// The field `x` is optional.
fn field(old: Value, new: Value) -> [Value; 2] {
    [old, new].map(|schema| json!({"type": "object", "properties": {"x": schema}}))
}

fn row(name: &'static str, path: &'static str, [old, new]: [Value; 2]) -> Row {
    Row { name, path, old, new }
}

/// And back.
fn both_ways(there: &'static str, back: &'static str, path: &'static str, [one, other]: [Value; 2]) -> [Row; 2] {
    [row(there, path, [one.clone(), other.clone()]), row(back, path, [other, one])]
}

pub(super) fn all() -> Vec<Row> {
    let mut rows = fields();
    rows.extend(scalars());
    rows.extend(choices());
    rows.extend(containers());
    rows.extend(names());
    rows
}

fn fields() -> Vec<Row> {
    let none = json!({"type": "object"});
    let may = json!({"type": "object", "properties": {"x": {"type": "string"}}});
    let must = json!({"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]});
    let closed = |schema: &Value| {
        let mut schema = schema.clone();
        schema["additionalProperties"] = json!(false);
        schema
    };
    let mut rows = Vec::new();
    rows.extend(both_ways(
        "an optional field is added",
        "an optional field is removed",
        "$.x",
        [none.clone(), may.clone()],
    ));
    rows.extend(both_ways(
        "a required field is added",
        "a required field is removed",
        "$.x",
        [none.clone(), must.clone()],
    ));
    rows.extend(both_ways("a field becomes required", "a field becomes optional", "$.x", [may.clone(), must]));
    rows.extend(both_ways(
        "an optional field is added where unknown ones are refused (`deny_unknown_fields`)",
        "an optional field is removed where unknown ones are refused",
        "$.x",
        [closed(&none), closed(&may)],
    ));
    rows.extend(both_ways(
        "unknown fields are refused from now on",
        "unknown fields are no longer refused",
        "$",
        [may.clone(), closed(&may)],
    ));
    let of = |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]});
    rows.push(row("a required field is renamed", "$.x", [of("x"), of("y")]));
    rows.push(row(
        "a default is changed",
        "$.x",
        field(json!({"default": 1, "type": "integer"}), json!({"default": 2, "type": "integer"})),
    ));
    let deep = |kind: &str| {
        json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}},
            "B": {"type": "object", "properties": {"x y": {"type": kind}}}}})
    };
    rows.push(row("the type of a field of a named type changes", "$.b['x y']", [deep("string"), deep("boolean")]));
    rows
}

fn scalars() -> Vec<Row> {
    let number = |kind: &str, format: &str| json!({"type": kind, "format": format});
    let text = |rest: Value| {
        let mut schema = json!({"type": "string"});
        schema.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        schema
    };
    let mut rows = vec![
        row("a field has another type", "$.x", field(json!({"type": "string"}), json!({"type": "integer"}))),
        row("a boolean becomes an integer", "$.x", field(json!({"type": "boolean"}), json!({"type": "integer"}))),
        row(
            "an unsigned integer becomes a signed one of the same size",
            "$.x",
            field(number("integer", "uint32"), number("integer", "int32")),
        ),
        row("a pattern is changed", "$.x", field(text(json!({"pattern": "^a"})), text(json!({"pattern": "^b"})))),
        row("a format is changed", "$.x", field(text(json!({"format": "uuid"})), text(json!({"format": "date"})))),
        row("a constant is changed", "$.x", field(json!({"const": 1}), json!({"const": 2}))),
        row(
            "a rule that is not understood (`not`, `if`, ..) is changed",
            "$.x",
            field(text(json!({"not": {"const": "a"}})), text(json!({"not": {"const": "b"}}))),
        ),
    ];
    for (there, back, old, new) in [
        (
            "an integer becomes a number with fractions",
            "a number with fractions becomes an integer",
            json!({"type": "integer"}),
            json!({"type": "number"}),
        ),
        (
            "an integer is widened (`i32` to `i64`)",
            "an integer is narrowed (`i64` to `i32`)",
            number("integer", "int32"),
            number("integer", "int64"),
        ),
        (
            "an unsigned integer becomes a larger signed one",
            "a signed integer becomes a smaller unsigned one",
            json!({"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255}),
            number("integer", "int16"),
        ),
        ("`f32` becomes `f64`", "`f64` becomes `f32`", number("number", "float"), number("number", "double")),
        (
            "a minimum is lowered",
            "a minimum is raised",
            json!({"type": "integer", "minimum": 1}),
            json!({"type": "integer", "minimum": 0}),
        ),
        (
            "a maximum is raised",
            "a maximum is lowered",
            json!({"type": "number", "maximum": 1.5}),
            json!({"type": "number", "maximum": 2.5}),
        ),
        (
            "a longest length is raised",
            "a longest length is lowered",
            text(json!({"maxLength": 8})),
            text(json!({"maxLength": 80})),
        ),
        ("a shortest length is removed", "a shortest length is added", text(json!({"minLength": 1})), text(json!({}))),
        ("a pattern is removed", "a pattern is added", text(json!({"pattern": "^a"})), text(json!({}))),
        (
            "a format is removed (`Uuid` to `String`)",
            "a format is added (`String` to `Uuid`)",
            text(json!({"format": "uuid"})),
            text(json!({})),
        ),
        (
            "an address of one family becomes one of either",
            "an address of either family becomes one of one",
            text(json!({"format": "ipv4"})),
            text(json!({"format": "ip"})),
        ),
        (
            "`multipleOf` is removed",
            "`multipleOf` is added",
            json!({"type": "integer", "multipleOf": 5}),
            json!({"type": "integer"}),
        ),
        ("a field takes any value", "a field takes no longer any value", text(json!({})), json!(true)),
    ] {
        rows.extend(both_ways(there, back, "$.x", field(old, new)));
    }
    rows
}

fn choices() -> Vec<Row> {
    let words = |words: &[&str]| json!({"type": "string", "enum": words});
    let tagged = |kinds: &[&str], fields: &[&str]| {
        let variant = |kind: &&str| {
            let mut properties = json!({"kind": {"const": kind, "type": "string"}});
            let mut required = vec!["kind"];
            for field in fields {
                properties[field] = json!({"type": "string"});
                required.push(field);
            }
            json!({"type": "object", "properties": properties, "required": required})
        };
        json!({"oneOf": kinds.iter().map(variant).collect::<Vec<_>>()})
    };
    let outside = |kinds: &[&str]| {
        let variant = |kind: &&str| json!({"type": "object", "properties": {*kind: {"type": "string"}}, "required": [kind], "additionalProperties": false});
        json!({"oneOf": kinds.iter().map(variant).collect::<Vec<_>>()})
    };
    let either = |kinds: &[&str]| json!({"anyOf": kinds.iter().map(|kind| json!({"type": kind})).collect::<Vec<_>>()});
    let mut rows = vec![
        row("a variant is renamed", "$.x", field(words(&["a", "b"]), words(&["a", "c"]))),
        row(
            "a variant of a tagged enum gets a required field",
            "$.x<kind: \"a\">.y",
            field(tagged(&["a", "b"], &[]), tagged(&["a", "b"], &["y"])),
        ),
        row(
            "one type of an untagged enum becomes another",
            "$.x",
            field(either(&["string", "null"]), either(&["integer", "null"])),
        ),
        row(
            "`oneOf` becomes `anyOf`",
            "$.x",
            field(
                json!({"oneOf": [{"type": "null"}, {"type": "string"}]}),
                json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
            ),
        ),
        row(
            "variants are written as `enum` or as `const` each",
            "$.x",
            field(words(&["a", "b"]), json!({"oneOf": [{"const": "a"}, {"const": "b"}]})),
        ),
    ];
    for (there, back, old, new) in [
        (
            "`null` is allowed",
            "`null` is no longer allowed",
            json!({"type": "string"}),
            json!({"type": ["string", "null"]}),
        ),
        (
            "a named type may be `null`",
            "a named type may no longer be `null`",
            words(&["a"]),
            json!({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]}),
        ),
        ("a value is added to an enum", "a value is removed from an enum", words(&["a"]), words(&["a", "b"])),
        ("an enum becomes any string", "any string becomes an enum", words(&["a", "b"]), json!({"type": "string"})),
        (
            "a variant is added to a tagged enum",
            "a variant is removed from a tagged enum",
            tagged(&["a"], &["y"]),
            tagged(&["a", "b"], &["y"]),
        ),
        (
            "a variant is added to an externally tagged enum",
            "a variant is removed from an externally tagged enum",
            outside(&["A"]),
            outside(&["A", "B"]),
        ),
        (
            "a type is added to an untagged enum",
            "a type is removed from an untagged enum",
            either(&["string"]),
            either(&["string", "integer"]),
        ),
    ] {
        rows.extend(both_ways(there, back, "$.x", field(old, new)));
    }
    rows
}

fn containers() -> Vec<Row> {
    let list = |item: &str| json!({"type": "array", "items": {"type": item}});
    let tuple = |items: &[&str]| {
        let places: Vec<Value> = items.iter().map(|kind| json!({"type": kind})).collect();
        json!({"type": "array", "prefixItems": places, "minItems": items.len(), "maxItems": items.len()})
    };
    let map = |value: Value| json!({"type": "object", "additionalProperties": value});
    let numbered = |value: &str| json!({"type": "object", "patternProperties": {"^\\d+$": {"type": value}}, "additionalProperties": false});
    let mut rows = vec![
        row("the items of an array have another type", "$.x[*]", field(list("string"), list("integer"))),
        row("a value becomes an array of it", "$.x", field(json!({"type": "string"}), list("string"))),
        row(
            "a place of a tuple has another type",
            "$.x[1]",
            field(tuple(&["string", "string"]), tuple(&["string", "integer"])),
        ),
        row("a tuple gets longer", "$.x", field(tuple(&["string"]), tuple(&["string", "string"]))),
        row(
            "the values of a map have another type",
            "$.x.*",
            field(map(json!({"type": "string"})), map(json!({"type": "integer"}))),
        ),
        row(
            "the values of a map with numbers for keys have another type",
            "$.x.*",
            field(numbered("string"), numbered("integer")),
        ),
        row("a map becomes an array", "$.x", field(map(json!(true)), list("string"))),
    ];
    for (there, back, path, old, new) in [
        (
            "the items of an array are widened",
            "the items of an array are narrowed",
            "$.x[*]",
            list("integer"),
            list("number"),
        ),
        (
            "fewer items will do",
            "more items are needed",
            "$.x",
            json!({"type": "array", "minItems": 2}),
            json!({"type": "array", "minItems": 1}),
        ),
        (
            "more items are allowed",
            "fewer items are allowed",
            "$.x",
            json!({"type": "array", "maxItems": 2}),
            json!({"type": "array", "maxItems": 3}),
        ),
        (
            "items may be the same (a set becomes a list)",
            "items must differ (a list becomes a set)",
            "$.x",
            json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true}),
            list("string"),
        ),
        ("a tuple becomes a list", "a list becomes a tuple", "$.x", tuple(&["string", "string"]), list("string")),
        (
            "the values of a map are widened",
            "the values of a map are narrowed",
            "$.x.*",
            map(json!({"type": "integer"})),
            map(json!({"type": "number"})),
        ),
    ] {
        rows.extend(both_ways(there, back, path, field(old, new)));
    }
    rows
}

/// What callers do not see.
fn names() -> Vec<Row> {
    let named = |name: &str| json!({"type": "object", "properties": {"x": {"$ref": format!("#/$defs/{name}")}}, "$defs": {name: {"type": "object", "properties": {"y": {"type": "string"}}}}});
    let tree = |name: &str, leaf: &str| {
        json!({"$ref": format!("#/$defs/{name}"), "$defs": {name: {"type": "object", "properties":
            {"more": {"type": "array", "items": {"$ref": format!("#/$defs/{name}")}}, "leaf": {"type": leaf}}}}})
    };
    let inline =
        json!({"type": "object", "properties": {"x": {"type": "object", "properties": {"y": {"type": "string"}}}}});
    let flat =
        json!({"type": "object", "properties": {"x": {"type": "string"}, "y": {"type": "string"}}, "required": ["x"]});
    let parts = json!({"allOf": [
        {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
        {"type": "object", "properties": {"y": {"type": "string"}}}]});
    let said = json!({"type": "object", "title": "Order", "description": "An order.", "properties": {"x": {"description": "How many."}}});
    let unsaid = json!({"type": "object", "description": "Orders.", "properties": {"x": {"examples": [1]}}});
    vec![
        row("a type is renamed", "$.x", [named("Old"), named("New")]),
        row("a named type is written inline", "$.x", [named("Old"), inline]),
        row("a type that holds itself is renamed", "$", [tree("Old", "string"), tree("New", "string")]),
        row(
            "a field of a type that holds itself has another type",
            "$.leaf",
            [tree("Tree", "string"), tree("Tree", "integer")],
        ),
        row("fields are put into a part that is flattened", "$", [flat, parts]),
        row("a description, a title or an example is changed", "$", [said, unsaid]),
        row(
            "fields or values stand in another order",
            "$",
            [
                json!({"type": "object", "properties": {"x": {"enum": ["a", "b"]}, "y": {}}, "required": ["x", "y"]}),
                json!({"type": "object", "properties": {"y": {}, "x": {"enum": ["b", "a"]}}, "required": ["y", "x"]}),
            ],
        ),
    ]
}
