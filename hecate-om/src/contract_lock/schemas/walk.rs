//! A walk over two schemas at once: that of who writes, and that of who reads.

use std::collections::HashMap;

use serde_json::Value;

use super::super::alternatives::{Shape, TooMany, alternatives, type_of};
use super::super::change::{Difference, Side};
use super::super::places::Step;
use super::super::span::Span;

/// How many pairs of shapes are compared before a message counts as too large.
const MOST_STEPS: usize = 100_000;
/// Schemas in schemas.
const DEEPEST: usize = 100;

/// Something in which the two differ.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) steps: Vec<Step>,
    pub(super) difference: Difference,
    /// Worth to be told; whoever reads can read it all the same.
    pub(super) is_note: bool,
}

/// The schemas of who writes and who reads, and what is known so far.
pub(super) struct Walk<'a> {
    writer: &'a Value,
    reader: &'a Value,
    old_is_written: bool,
    /// The side of which this walk decides.
    decides: Option<Side>,
    /// What is found of two schemas; nothing yet while they are compared.
    compared: HashMap<String, Vec<Finding>>,
    steps: usize,
    depth: usize,
}

/// A finding at the place where it is found.
pub(super) fn here(difference: Difference) -> Finding {
    Finding { steps: Vec::new(), difference, is_note: false }
}

/// What is found one step further in.
pub(super) fn within(step: &Step, found: Vec<Finding>) -> impl Iterator<Item = Finding> {
    found.into_iter().map(move |mut finding| {
        finding.steps.insert(0, step.clone());
        finding
    })
}

impl<'a> Walk<'a> {
    pub(super) fn old_is_written(old: &'a Value, new: &'a Value) -> Self {
        Self::new(old, new, true)
    }

    pub(super) fn new_is_written(old: &'a Value, new: &'a Value) -> Self {
        Self::new(new, old, false)
    }

    fn new(writer: &'a Value, reader: &'a Value, old_is_written: bool) -> Self {
        Self { writer, reader, old_is_written, decides: None, compared: HashMap::new(), steps: 0, depth: 0 }
    }

    /// Has it decide of a side.
    pub(super) fn of(self, side: Side) -> Self {
        Self { decides: Some(side), ..self }
    }

    /// All that is written and not read.
    pub(super) fn found(mut self) -> Vec<Finding> {
        let (writer, reader) = (self.writer, self.reader);
        let mut found = self.compare(writer, reader);
        if self.steps > MOST_STEPS {
            found.push(here(Difference::TooLarge));
        }
        found
    }

    /// Whether a field that is only written is lost without a word: of a reply nobody misses it.
    pub(super) fn decides_of_reply(&self) -> bool {
        self.decides == Some(Side::Reply)
    }

    /// The old one first.
    pub(super) fn in_order<T>(&self, written: T, read: T) -> (T, T) {
        if self.old_is_written { (written, read) } else { (read, written) }
    }

    /// Something that is written and not read: it is gone, or it is new.
    pub(super) fn unread(&self, gone: Difference, new: Difference) -> Difference {
        if self.old_is_written { gone } else { new }
    }

    /// What is found of two schemas. Types may hold themselves: what is being compared counts as the same.
    pub(super) fn compare(&mut self, written: &Value, read: &Value) -> Vec<Finding> {
        self.steps += 1;
        if self.steps > MOST_STEPS || self.depth == DEEPEST {
            self.steps = MOST_STEPS + 1;
            return Vec::new();
        }
        let pair = format!("{written}\n{read}");
        if let Some(found) = self.compared.get(&pair) {
            return found.clone();
        }
        self.compared.insert(pair.clone(), Vec::new());
        self.depth += 1;
        let found = self.compare_shapes(written, read).unwrap_or_else(|error| vec![here(error.into())]);
        self.depth -= 1;
        self.compared.insert(pair, found.clone());
        found
    }

    fn compare_shapes(&mut self, written: &Value, read: &Value) -> Result<Vec<Finding>, TooMany> {
        let (written, read) = (alternatives(self.writer, written)?, alternatives(self.reader, read)?);
        if let ([written], [read]) = (written.as_slice(), read.as_slice()) {
            return Ok(self.compare_shape(written, read));
        }
        let mut found = Vec::new();
        let mut alone: Vec<&Shape> = Vec::new();
        for shape in &written {
            match self.nearest(shape, &read) {
                Some(of_nearest) => found.extend(of_nearest),
                None => alone.push(shape),
            }
        }
        // One type in place of another is one difference, and no more.
        let unwritten: Vec<&Shape> =
            read.iter().filter(|shape| !written.iter().any(|other| label(other) == label(shape))).collect();
        if let ([shape], [other]) = (alone.as_slice(), unwritten.as_slice())
            && is_nameless(shape)
            && is_nameless(other)
        {
            found.extend(self.compare_shape(shape, other));
            return Ok(found);
        }
        let only_values = !read.is_empty() && read.iter().all(|shape| shape.contains_key("const"));
        for shape in alone {
            found.push(if only_values && !shape.contains_key("const") && !shape.contains_key("properties") {
                let (written, read) = (format!("any {}", kind(shape)), format!("only {}", list(&read)));
                let (old, new) = self.in_order(written, read);
                here(Difference::Type(old, new))
            } else {
                let label = label(shape);
                here(self.unread(Difference::VariantRemoved(label.clone()), Difference::VariantAdded(label)))
            });
        }
        Ok(found)
    }

    /// What is found of a shape and the one that reads it best; nothing where none is like it.
    fn nearest(&mut self, shape: &Shape, read: &[Shape]) -> Option<Vec<Finding>> {
        let label = label(shape);
        let mut best: Option<(usize, Vec<Finding>)> = None;
        let like_first = read.iter().filter(|other| self::label(other) == label);
        let unlike = read.iter().filter(|other| self::label(other) != label);
        for (is_like, other) in like_first.map(|other| (true, other)).chain(unlike.map(|other| (false, other))) {
            let found = self.compare_shape(shape, other);
            let misread = found.iter().filter(|finding| !finding.is_note).count();
            if (is_like || misread == 0) && best.as_ref().is_none_or(|(least, _)| misread < *least) {
                best = Some((misread, found));
            }
            if misread == 0 {
                break;
            }
        }
        let (_, found) = best?;
        let is_named = shape.contains_key("properties") && !is_nameless(shape);
        let step = Step::Variant(label);
        Some(if is_named { within(&step, found).collect() } else { found })
    }

    fn compare_shape(&mut self, written: &Shape, read: &Shape) -> Vec<Finding> {
        self.steps += 1;
        if self.steps > MOST_STEPS || says_nothing(read) {
            return Vec::new();
        }
        if written.contains_key("const") || read.contains_key("const") {
            return self.compare_values(written, read);
        }
        let (kind_written, kind_read) = (kind(written), kind(read));
        let is_widened = kind_written == "integer" && kind_read == "number";
        if kind_written != kind_read && !is_widened && read.contains_key("type") {
            let (old, new) = self.in_order(type_words(written), type_words(read));
            return vec![here(Difference::Type(old, new))];
        }
        let mut found = match kind_read.as_str() {
            "integer" | "number" => self.compare_numbers(written, read),
            "string" => self.compare_texts(written, read),
            "array" => self.compare_arrays(written, read),
            "object" => self.compare_objects(written, read),
            _ => Vec::new(),
        };
        found.extend(self.compare_others(written, read));
        found
    }

    /// Where one of them has a single value.
    fn compare_values(&mut self, written: &Shape, read: &Shape) -> Vec<Finding> {
        match (written.get("const"), read.get("const")) {
            (Some(one), Some(other)) if one == other => Vec::new(),
            (Some(value), None) => {
                let fits = kind(written) == kind(read) || kind(written) == "integer" && kind(read) == "number";
                let is_limited = match value {
                    Value::Number(_) => !Span::of_numbers(written).is_within(Span::of_numbers(read)),
                    Value::String(text) => {
                        let length = Shape::from_iter([("maxLength".to_owned(), text.chars().count().into())]);
                        let length = Span::between(&length, "maxLength", "maxLength");
                        !length.is_within(Span::between(read, "minLength", "maxLength"))
                            || ["pattern", "format"].into_iter().any(|rule| read.contains_key(rule))
                    }
                    _ => false,
                };
                let (old, new) =
                    self.in_order(format!("only {}", list(std::slice::from_ref(written))), type_words(read));
                if fits && !is_limited { Vec::new() } else { vec![here(Difference::Type(old, new))] }
            }
            (Some(_), Some(_)) => {
                let label = label(written);
                vec![here(self.unread(Difference::VariantRemoved(label.clone()), Difference::VariantAdded(label)))]
            }
            (None, _) => {
                let words = |shape: &Shape| match shape.contains_key("const") {
                    true => format!("only {}", list(std::slice::from_ref(shape))),
                    false if kind(shape) == kind(read) => format!("any {}", kind(shape)),
                    false => type_words(shape),
                };
                let (old, new) = self.in_order(words(written), words(read));
                vec![here(Difference::Type(old, new))]
            }
        }
    }

    fn compare_numbers(&self, written: &Shape, read: &Shape) -> Vec<Finding> {
        let mut found = self.compare_spans("range", Span::of_numbers(written), Span::of_numbers(read));
        // A number of twice the size is read, as the nearest one there is.
        if written.get("format") != read.get("format") && read.get("format").is_some_and(|format| format == "float") {
            found.extend(self.keyword("format", written, read));
        }
        found.extend(self.rule("multipleOf", written, read));
        found
    }

    fn compare_texts(&self, written: &Shape, read: &Shape) -> Vec<Finding> {
        let length = |shape: &Shape| Span::between(shape, "minLength", "maxLength");
        let mut found = self.compare_spans("length", length(written), length(read));
        for rule in ["pattern", "format", "contentEncoding", "contentMediaType"] {
            found.extend(self.rule(rule, written, read));
        }
        found
    }

    fn compare_arrays(&mut self, written: &Shape, read: &Shape) -> Vec<Finding> {
        let count = |shape: &Shape| {
            let span = Span::between(shape, "minItems", "maxItems");
            // No more items than have a place.
            if shape.get("items") == Some(&Value::Bool(false)) { span.at_most(places(shape).len()) } else { span }
        };
        let mut found = self.compare_spans("number of items", count(written), count(read));
        let distinct = |shape: &Shape| shape.get("uniqueItems") == Some(&Value::Bool(true));
        if distinct(read) && !distinct(written) {
            found.extend(self.keyword("uniqueItems", written, read));
        }
        let anything = Value::Bool(true);
        let most = places(written).len().max(places(read).len());
        for index in (0..most).filter(|index| count(written).reaches(index + 1) && count(read).reaches(index + 1)) {
            let item =
                |shape: &Shape| places(shape).get(index).or_else(|| shape.get("items")).unwrap_or(&anything).clone();
            let of_item = self.compare(&item(written), &item(read));
            found.extend(within(&Step::Item(index), of_item));
        }
        let rest = |shape: &Shape| shape.get("items").unwrap_or(&anything).clone();
        if count(written).reaches(most + 1) && count(read).reaches(most + 1) {
            let of_items = self.compare(&rest(written), &rest(read));
            found.extend(within(&Step::Items, of_items));
        }
        found
    }

    fn compare_spans(&self, of: &'static str, written: Span, read: Span) -> Vec<Finding> {
        if written.is_within(read) {
            return Vec::new();
        }
        let (old, new) = self.in_order(written.to_string(), read.to_string());
        vec![here(Difference::Bound(of, old, new))]
    }

    /// A rule that is kept if both have it, or if who reads has none.
    fn rule(&self, rule: &str, written: &Shape, read: &Shape) -> Option<Finding> {
        let is_kept = read.get(rule).is_none() || written.get(rule) == read.get(rule);
        // An address of either family is an address.
        let is_address = |shape: &Shape, formats: &[&str]| {
            shape.get(rule).and_then(Value::as_str).is_some_and(|format| formats.contains(&format))
        };
        let is_wider = rule == "format" && is_address(written, &["ipv4", "ipv6"]) && is_address(read, &["ip"]);
        if is_kept || is_wider { None } else { self.keyword(rule, written, read) }
    }

    pub(super) fn keyword(&self, keyword: &str, written: &Shape, read: &Shape) -> Option<Finding> {
        let words =
            |shape: &Shape| shape.get(keyword).map_or_else(|| "absent".to_owned(), |value| format!("`{value}`"));
        let (old, new) = self.in_order(words(written), words(read));
        Some(here(Difference::Keyword(keyword.to_owned(), old, new)))
    }

    /// Rules that nobody here understands are kept where both have the same.
    fn compare_others(&self, written: &Shape, read: &Shape) -> Vec<Finding> {
        const UNDERSTOOD: [&str; 25] = [
            "additionalProperties",
            "const",
            "contentEncoding",
            "contentMediaType",
            "deprecated",
            "enum",
            "exclusiveMaximum",
            "exclusiveMinimum",
            "format",
            "items",
            "maxItems",
            "maxLength",
            "maximum",
            "minItems",
            "minLength",
            "minimum",
            "multipleOf",
            "pattern",
            "patternProperties",
            "prefixItems",
            "properties",
            "readOnly",
            "required",
            "type",
            "uniqueItems",
        ];
        let others = read.keys().filter(|keyword| !UNDERSTOOD.contains(&keyword.as_str()) && *keyword != "writeOnly");
        others
            .filter(|keyword| written.get(*keyword) != read.get(*keyword))
            .filter_map(|keyword| self.keyword(keyword, written, read))
            .collect()
    }
}

fn places(shape: &Shape) -> &[Value] {
    shape.get("prefixItems").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn says_nothing(shape: &Shape) -> bool {
    shape.keys().all(|keyword| ["deprecated", "readOnly", "writeOnly", "format"].contains(&keyword.as_str()))
}

/// The type of a shape, `value` where it has none.
fn kind(shape: &Shape) -> String {
    match (shape.get("type").and_then(Value::as_str), shape.get("const")) {
        (Some(kind), _) => kind.to_owned(),
        (None, Some(value)) => type_of(value).to_owned(),
        (None, None) if shape.contains_key("properties") || shape.contains_key("required") => "object".to_owned(),
        (None, None) => "value".to_owned(),
    }
}

fn type_words(shape: &Shape) -> String {
    match kind(shape).as_str() {
        "integer" => "an integer".to_owned(),
        "array" => "an array".to_owned(),
        "object" => "an object".to_owned(),
        "null" => "`null`".to_owned(),
        "value" => "any value".to_owned(),
        kind => format!("a {kind}"),
    }
}

/// The single values of shapes.
fn list(shapes: &[Shape]) -> String {
    let values: Vec<String> =
        shapes.iter().filter_map(|shape| shape.get("const")).map(|value| format!("`{value}`")).collect();
    values.join(", ")
}

/// By what the variants of an enum are told apart: a value, a tag, the one field that all else is in, a type.
fn label(shape: &Shape) -> String {
    if let Some(value) = shape.get("const") {
        return value.to_string();
    }
    tag(shape).unwrap_or_else(|| kind(shape))
}

fn is_nameless(shape: &Shape) -> bool {
    !shape.contains_key("const") && tag(shape).is_none()
}

fn tag(shape: &Shape) -> Option<String> {
    let fields = shape.get("properties")?.as_object()?;
    let required = |name: &&String| {
        shape
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|all| all.iter().any(|field| field == name.as_str()))
    };
    let tagged = fields.iter().filter(|(name, _)| required(name)).find_map(|(name, schema)| {
        let value = schema.get("const")?;
        Some(format!("{name}: {value}"))
    });
    let closed = shape.get("additionalProperties") == Some(&Value::Bool(false));
    let only = || fields.keys().next().filter(|name| fields.len() == 1 && closed && required(name)).cloned();
    tagged.or_else(only)
}
