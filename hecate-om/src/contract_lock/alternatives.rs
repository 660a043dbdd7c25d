//! A schema as a list of shapes without references and choices: a value satisfies the schema if it satisfies one of
//! them.

use serde_json::{Map, Value};

use super::change::Difference;

/// One shape: keywords that all hold, with at most one `type`, and a `const` in place of an `enum`.
pub(super) type Shape = Map<String, Value>;

/// More choices than that no type has that people wrote.
const MOST: usize = 1024;
/// References to references.
const DEEPEST: usize = 64;

/// What stands beside the shape of values, or was taken apart already.
const NOT_OF_SHAPE: [&str; 13] = [
    "$comment",
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "allOf",
    "anyOf",
    "default",
    "deprecated",
    "description",
    "examples",
    "oneOf",
    "title",
];

/// A schema was too much for this module.
#[derive(Debug)]
pub(super) struct TooMany;

/// The shapes of a schema that stands in `root`; none where no value satisfies it.
pub(super) fn alternatives(root: &Value, schema: &Value) -> Result<Vec<Shape>, TooMany> {
    let mut shapes = Vec::new();
    for shape in expanded(root, schema, DEEPEST)? {
        split(shape, &mut shapes)?;
    }
    Ok(shapes)
}

fn expanded(root: &Value, schema: &Value, depth: usize) -> Result<Vec<Shape>, TooMany> {
    let Value::Object(keywords) = schema else {
        return Ok(if schema == &Value::Bool(false) { Vec::new() } else { vec![Shape::new()] });
    };
    let depth = depth.checked_sub(1).ok_or(TooMany)?;
    let is_of_shape = |(keyword, _): &(&String, &Value)| !NOT_OF_SHAPE.contains(&keyword.as_str());
    let own = keywords.iter().filter(is_of_shape).map(|(keyword, value)| (keyword.clone(), value.clone())).collect();
    let mut shapes: Vec<Shape> = vec![own];
    if let Some(Value::String(reference)) = keywords.get("$ref") {
        // One that dangles says nothing; the test of the contract tells it.
        if let Some(named) = resolve(root, reference) {
            shapes = product(&shapes, &expanded(root, named, depth)?)?;
        }
    }
    for part in keywords.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        shapes = product(&shapes, &expanded(root, part, depth)?)?;
    }
    for choices in ["oneOf", "anyOf"].into_iter().filter_map(|key| keywords.get(key)?.as_array()) {
        let mut chosen = Vec::new();
        for choice in choices {
            chosen.extend(expanded(root, choice, depth)?);
        }
        shapes = product(&shapes, &chosen)?;
    }
    Ok(shapes)
}

/// What a `$ref` points to.
fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = reference.strip_prefix('#')?;
    root.pointer(pointer).or_else(|| root.pointer(&decoded(pointer)))
}

/// References are URIs: what is no ASCII in a name stands as `%` and two digits.
fn decoded(pointer: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = pointer.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Each with each, where both can hold.
fn product(ones: &[Shape], others: &[Shape]) -> Result<Vec<Shape>, TooMany> {
    if ones.len() * others.len() > MOST {
        return Err(TooMany);
    }
    Ok(ones.iter().flat_map(|one| others.iter().filter_map(|other| both(one.clone(), other))).collect())
}

/// The shape of what satisfies two; nothing where nothing does.
fn both(mut shape: Shape, other: &Shape) -> Option<Shape> {
    for (keyword, value) in other {
        let joined = match shape.get(keyword) {
            None => value.clone(),
            Some(own) if own == value => continue,
            Some(own) => joined(keyword, own, value)?,
        };
        shape.insert(keyword.clone(), joined);
    }
    Some(shape)
}

/// What two values of the same keyword say together; nothing where no value satisfies both.
fn joined(keyword: &str, own: &Value, other: &Value) -> Option<Value> {
    let least_first =
        |own: &Value, other: &Value| own.as_f64().zip(other.as_f64()).is_some_and(|(own, other)| own < other);
    Some(match (keyword, own, other) {
        ("type", own, other) => {
            let shared: Vec<Value> = words(own).filter(|word| words(other).any(|other| other == *word)).collect();
            let is_integer = |kinds: &Value| words(kinds).any(|kind| kind == "integer");
            match shared.len() {
                0 if is_integer(own) || is_integer(other) => "integer".into(),
                0 => return None,
                _ => Value::Array(shared),
            }
        }
        ("properties" | "patternProperties", Value::Object(own), Value::Object(other)) => {
            let mut fields = own.clone();
            for (name, schema) in other {
                let schema = match own.get(name) {
                    Some(there) if there != schema => serde_json::json!({"allOf": [there, schema]}),
                    _ => schema.clone(),
                };
                fields.insert(name.clone(), schema);
            }
            Value::Object(fields)
        }
        ("required", Value::Array(own), Value::Array(other)) => {
            let more = other.iter().filter(|name| !own.contains(name)).cloned();
            Value::Array(own.iter().cloned().chain(more).collect())
        }
        ("enum", Value::Array(own), Value::Array(other)) => {
            let shared: Vec<Value> = own.iter().filter(|value| other.contains(value)).cloned().collect();
            if shared.is_empty() {
                return None;
            }
            Value::Array(shared)
        }
        ("const", _, _) => return None,
        ("minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties", own, other) => {
            if least_first(own, other) { other.clone() } else { own.clone() }
        }
        ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties", own, other) => {
            if least_first(own, other) { own.clone() } else { other.clone() }
        }
        ("additionalProperties" | "unevaluatedProperties" | "items", own, other) => {
            serde_json::json!({"allOf": [own, other]})
        }
        // Both hold; what that means together is only known where the other contract says the same.
        (_, own, other) => Value::Array(vec![own.clone(), other.clone()]),
    })
}

fn words(kinds: &Value) -> impl Iterator<Item = Value> {
    let kinds = match kinds {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    kinds.into_iter()
}

/// One shape for each type and each value.
fn split(mut shape: Shape, shapes: &mut Vec<Shape>) -> Result<(), TooMany> {
    // What was joined is whole: what is left over of it is left over of all its parts.
    if let Some(rest) = shape.remove("unevaluatedProperties") {
        shape.entry("additionalProperties").or_insert(rest);
    }
    let kinds: Vec<Option<Value>> = match shape.remove("type") {
        None => vec![None],
        Some(kinds) => words(&kinds).map(Some).collect(),
    };
    let values = match shape.remove("enum") {
        Some(Value::Array(values)) => Some(values),
        _ => shape.get("const").map(|value| vec![value.clone()]),
    };
    for value in values.iter().flatten() {
        if kinds.iter().flatten().count() == 0 || kinds.iter().flatten().any(|kind| is_of_type(value, kind)) {
            shapes.push(Shape::from_iter([("const".to_owned(), value.clone())]));
        }
    }
    if values.is_none() {
        for kind in kinds {
            shapes.push(match kind {
                None => shape.clone(),
                Some(kind) => of_type(&shape, kind),
            });
        }
    }
    if shapes.len() > MOST { Err(TooMany) } else { Ok(()) }
}

/// What of a shape speaks of values of one type.
fn of_type(shape: &Shape, kind: Value) -> Shape {
    const OBJECTS: [&str; 9] = [
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "dependentRequired",
        "dependentSchemas",
    ];
    const ARRAYS: [&str; 9] = [
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "contains",
        "minContains",
        "maxContains",
        "unevaluatedItems",
    ];
    const NUMBERS: [&str; 5] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
    const TEXTS: [&str; 5] = ["minLength", "maxLength", "pattern", "contentEncoding", "contentMediaType"];
    let name = kind.as_str().unwrap_or_default();
    let speaks = |keyword: &str| {
        !(OBJECTS.contains(&keyword) && name != "object"
            || ARRAYS.contains(&keyword) && name != "array"
            || NUMBERS.contains(&keyword) && !["integer", "number"].contains(&name)
            || TEXTS.contains(&keyword) && name != "string"
            || keyword == "format" && !["integer", "number", "string"].contains(&name))
    };
    let mut of_type: Shape =
        shape.iter().filter(|(keyword, _)| speaks(keyword)).map(|(key, value)| (key.clone(), value.clone())).collect();
    of_type.insert("type".to_owned(), kind);
    of_type
}

fn is_of_type(value: &Value, kind: &Value) -> bool {
    type_of(value) == kind || kind == "number" && value.is_number()
}

/// What JSON Schema calls the type of a value.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl From<TooMany> for Difference {
    fn from(_: TooMany) -> Self {
        Difference::TooLarge
    }
}
