//! Which numbers, lengths and counts a schema allows.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

/// An end of a span: exact where whole numbers are.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Whole(i128),
    Fraction(f64),
}

/// From a least to a most; nothing where there is no end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    least: Option<End>,
    most: Option<End>,
}

impl PartialEq for End {
    fn eq(&self, other: &Self) -> bool {
        self.compare(*other) == Ordering::Equal
    }
}

impl End {
    fn of(value: &Value) -> Option<Self> {
        if let Some(whole) = value.as_i64() {
            return Some(End::Whole(whole.into()));
        }
        if let Some(whole) = value.as_u64() {
            return Some(End::Whole(whole.into()));
        }
        let number = value.as_f64()?;
        // As schemars writes the ends of floats: whole, and exact in an `i128`.
        if number.fract() == 0.0 && number.abs() < 1e30 {
            Some(End::Whole(number as i128))
        } else {
            Some(End::Fraction(number))
        }
    }

    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (End::Whole(one), End::Whole(other)) => one.cmp(&other),
            (one, other) => one.number().total_cmp(&other.number()),
        }
    }

    fn number(self) -> f64 {
        match self {
            End::Whole(whole) => whole as f64,
            End::Fraction(number) => number,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Whole(whole) => whole.fmt(f),
            End::Fraction(number) => number.fmt(f),
        }
    }
}

/// `0..=255`, `1..`, `..=80`; `any` without ends.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (None, None) => f.write_str("any"),
            (Some(least), None) => write!(f, "{least}.."),
            (None, Some(most)) => write!(f, "..={most}"),
            (Some(least), Some(most)) => write!(f, "{least}..={most}"),
        }
    }
}

impl Span {
    /// What is written out: of lengths and counts, which begin at 0.
    pub(super) fn between(keywords: &Map<String, Value>, least: &str, most: &str) -> Self {
        let end = |keyword: &str| keywords.get(keyword).and_then(End::of);
        Self { least: end(least).filter(|least| *least != End::Whole(0)), most: end(most) }
    }

    /// Of numbers: what is written out, and what a format says.
    pub(super) fn of_numbers(keywords: &Map<String, Value>) -> Self {
        if let Some(only) = keywords.get("const").and_then(End::of) {
            return Self { least: Some(only), most: Some(only) };
        }
        let is_integer = keywords.get("type").is_some_and(|kind| kind == "integer");
        let written = Self {
            least: later(end(keywords, "minimum"), beyond(keywords, "exclusiveMinimum", 1, is_integer)),
            most: earlier(end(keywords, "maximum"), beyond(keywords, "exclusiveMaximum", -1, is_integer)),
        };
        let format = keywords.get("format").and_then(Value::as_str).and_then(of_format);
        let format = format.unwrap_or(Self { least: None, most: None });
        Self { least: later(written.least, format.least), most: earlier(written.most, format.most) }
    }

    /// Whether every number of this one is in the other, too.
    pub(super) fn is_within(self, other: Self) -> bool {
        let starts = match (self.least, other.least) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(others)) => own.compare(others).is_ge(),
        };
        let ends = match (self.most, other.most) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(others)) => own.compare(others).is_le(),
        };
        starts && ends
    }

    /// The same with at most so many.
    pub(super) fn at_most(self, most: usize) -> Self {
        Self { most: earlier(self.most, Some(End::Whole(most as i128))), ..self }
    }

    /// Whether there can be so many.
    pub(super) fn reaches(self, count: usize) -> bool {
        self.most.is_none_or(|most| most.compare(End::Whole(count as i128)).is_ge())
    }
}

fn end(keywords: &Map<String, Value>, keyword: &str) -> Option<End> {
    keywords.get(keyword).and_then(End::of)
}

/// The end that excludes its own value. Of fractions it is taken as one that includes it: nobody tells them apart.
fn beyond(keywords: &Map<String, Value>, keyword: &str, step: i128, is_integer: bool) -> Option<End> {
    match end(keywords, keyword)? {
        End::Whole(whole) if is_integer => Some(End::Whole(whole + step)),
        other => Some(other),
    }
}

fn later(one: Option<End>, other: Option<End>) -> Option<End> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if one.compare(other).is_ge() { one } else { other }),
        (one, other) => one.or(other),
    }
}

fn earlier(one: Option<End>, other: Option<End>) -> Option<End> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if one.compare(other).is_le() { one } else { other }),
        (one, other) => one.or(other),
    }
}

/// The formats that schemars gives to the integers of Rust.
fn of_format(format: &str) -> Option<Span> {
    let (least, most): (i128, i128) = match format {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "int" | "int64" => (i64::MIN.into(), i64::MAX.into()),
        "int128" => (i128::MIN, i128::MAX),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "uint" | "uint64" => (0, u64::MAX.into()),
        "uint128" => (0, i128::MAX),
        _ => return None,
    };
    Some(Span { least: Some(End::Whole(least)), most: Some(End::Whole(most)) })
}
