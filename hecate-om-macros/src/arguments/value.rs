//! The values of arguments: literals with the places where they stand, and what is said of all else.

use darling::FromMeta;
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit, Meta};

use crate::model::DEFAULT_SECRETS;
use crate::names::semver_like;
use crate::validate::types::compact;

/// An expression without the invisible groups that `macro_rules!` puts around what it hands on.
pub(crate) fn ungrouped(mut expression: &Expr) -> &Expr {
    while let Expr::Group(group) = expression {
        expression = &group.expr;
    }
    expression
}

/// A value with the place where it stands.
#[derive(Clone)]
pub(crate) struct Written<T> {
    pub(crate) value: T,
    pub(crate) place: Expr,
}

/// A string literal.
pub(crate) type Text = Written<String>;

/// An integer literal, whatever its size.
pub(crate) type Integer = Written<Option<u64>>;

/// A list of string literals, `["a", "b"]`.
pub(crate) type Texts = Written<Vec<Text>>;

/// A word that says all by standing there.
#[derive(Clone)]
pub(crate) struct Flag;

/// A word out of a few, to be read later: `open`, `issuer("...")`, `required`.
#[derive(Clone)]
pub(crate) struct Word(pub(crate) Expr);

/// The name of a type, which is no text.
#[derive(Clone)]
pub(crate) struct TypeName(pub(crate) syn::ExprPath);

/// What stands in the parentheses of an argument, to be read by keys of its own.
#[derive(Clone)]
pub(crate) struct Nested(pub(crate) TokenStream);

impl FromMeta for Text {
    fn from_meta(item: &Meta) -> darling::Result<Self> {
        if let Meta::NameValue(pair) = item
            && let Some(Lit::Str(text)) = literal(&pair.value)
        {
            return Ok(Written { value: text.value(), place: pair.value.clone() });
        }
        Err(wrong_value(item, "a string literal", &text_like(item)))
    }
}

impl Integer {
    /// The number that an expression is.
    pub(crate) fn of(place: &Expr) -> Option<Self> {
        let value = match (literal(place), ungrouped(place)) {
            (Some(Lit::Int(number)), _) => number.base10_parse().ok(),
            // `-1`: a number, and out of every range.
            (_, Expr::Unary(_)) => None,
            _ => return None,
        };
        Some(Written { value, place: place.clone() })
    }
}

impl FromMeta for Integer {
    fn from_meta(item: &Meta) -> darling::Result<Self> {
        if let Meta::NameValue(pair) = item
            && let Some(number) = Integer::of(&pair.value)
        {
            return Ok(number);
        }
        Err(wrong_value(item, "a whole number", &number_like(item)))
    }
}

impl FromMeta for Texts {
    fn from_meta(item: &Meta) -> darling::Result<Self> {
        let Meta::NameValue(pair) = item else {
            return Err(wrong_value(item, "a list of string literals", "[\"...\"]"));
        };
        let Expr::Array(array) = ungrouped(&pair.value) else {
            let example = match literal(&pair.value) {
                Some(Lit::Str(text)) => format!("[{}]", text.token()),
                _ => "[\"...\"]".to_owned(),
            };
            return Err(wrong_value(item, "a list of string literals", &example));
        };
        let text = |element: &Expr| match literal(element) {
            Some(Lit::Str(text)) => Ok(Written { value: text.value(), place: element.clone() }),
            _ => {
                let message = format!(
                    "`{}` holds string literals, found {}\nhelp: write `\"...\"`",
                    key_of(item),
                    found_in(element)
                );
                Err(darling::Error::custom(message).with_span(&element.span()))
            }
        };
        let value = array.elems.iter().map(text).collect::<darling::Result<_>>()?;
        Ok(Written { value, place: pair.value.clone() })
    }
}

impl FromMeta for TypeName {
    fn from_meta(item: &Meta) -> darling::Result<Self> {
        if let Meta::NameValue(pair) = item
            && let Expr::Path(path) = ungrouped(&pair.value)
        {
            return Ok(Self(path.clone()));
        }
        Err(wrong_value(item, "the name of a type", &type_like(item)))
    }
}

impl FromMeta for Flag {
    fn from_meta(item: &Meta) -> darling::Result<Self> {
        if let Meta::Path(_) = item {
            return Ok(Self);
        }
        let key = key_of(item);
        let message = format!("`{key}` takes no value, found {}\nhelp: write `{key}`, or leave it out", found(item));
        Err(darling::Error::custom(message).with_span(&place_of(item)))
    }
}

impl FromMeta for Word {
    fn from_meta(item: &Meta) -> darling::Result<Self> {
        let example = if item.path().is_ident("confidential") { "required" } else { "open" };
        match item {
            Meta::NameValue(pair) => Ok(Self(pair.value.clone())),
            Meta::List(list) => {
                let given = list.tokens.to_string();
                let is_word = ["realm", "off", "preferred"].contains(&given.as_str());
                Err(wrong_value(item, "a word", if is_word { &given } else { example }))
            }
            Meta::Path(_) => Err(wrong_value(item, "a word", example)),
        }
    }
}

impl FromMeta for Nested {
    fn from_meta(item: &Meta) -> darling::Result<Self> {
        match item {
            Meta::List(list) => Ok(Self(list.tokens.clone())),
            other => {
                let key = key_of(other);
                let example = match key.as_str() {
                    "uses" => "Echo",
                    "identity" => "ttl_days = 30",
                    "limits" => "concurrency = 64",
                    "volumes" => "state = \"/var/lib/hecate-greeter\"",
                    _ => "health = 8470",
                };
                let message = format!(
                    "`{key}` takes its arguments in parentheses, found {}\nhelp: write `{key}({example})`",
                    found(other)
                );
                Err(darling::Error::custom(message).with_span(&place_of(other)))
            }
        }
    }
}

fn literal(value: &Expr) -> Option<&Lit> {
    match ungrouped(value) {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}

fn key_of(item: &Meta) -> String {
    item.path().get_ident().map(ToString::to_string).unwrap_or_default()
}

fn place_of(item: &Meta) -> proc_macro2::Span {
    match item {
        Meta::Path(path) => path.span(),
        Meta::List(list) => list.path.span(),
        Meta::NameValue(pair) => pair.value.span(),
    }
}

fn wrong_value(item: &Meta, kind: &str, example: &str) -> darling::Error {
    let key = key_of(item);
    let message = format!("`{key}` takes {kind}, found {}\nhelp: write `{key} = {example}`", found(item));
    darling::Error::custom(message).with_span(&place_of(item))
}

fn found(item: &Meta) -> String {
    match item {
        Meta::Path(_) => "nothing".to_owned(),
        Meta::List(_) => "parentheses".to_owned(),
        Meta::NameValue(pair) => found_in(&pair.value),
    }
}

fn found_in(value: &Expr) -> String {
    match ungrouped(value) {
        Expr::Lit(ExprLit { lit, .. }) => {
            let kind = match lit {
                Lit::Str(_) => "the string",
                Lit::Int(_) | Lit::Float(_) => "the number",
                Lit::Bool(_) => "the boolean",
                _ => "the literal",
            };
            format!("{kind} `{}`", lit.to_token_stream())
        }
        Expr::Array(_) => "a list".to_owned(),
        _ => "an expression, which the macro cannot evaluate".to_owned(),
    }
}

/// What texts count in.
const UNITS: [&str; 7] = ["ms", "s", "m", "h", "B", "KiB", "MiB"];

/// The string literal that was probably meant.
fn text_like(item: &Meta) -> String {
    let key = key_of(item);
    if let Meta::List(list) = item
        && let Ok(Lit::Str(text)) = syn::parse2(list.tokens.clone())
    {
        return text.token().to_string();
    }
    let number = match item {
        Meta::NameValue(pair) => match literal(&pair.value) {
            // `5m`, `1MiB`: all there but the quotes.
            Some(Lit::Int(number)) if UNITS.contains(&number.suffix()) => return format!("\"{number}\""),
            Some(Lit::Int(number)) => Some(number.base10_digits().to_owned()),
            Some(Lit::Float(number)) => Some(number.base10_digits().to_owned()),
            _ => None,
        },
        _ => None,
    };
    if let Meta::NameValue(pair) = item
        && let Expr::Binary(quotient) = ungrouped(&pair.value)
        && let Some(Lit::Int(period)) = literal(&quotient.right)
        && UNITS.contains(&period.suffix())
    {
        // `600/10s`
        return format!("\"{}\"", compact(quotient));
    }
    match (key.as_str(), number) {
        ("timeout", Some(number)) => format!("\"{number}s\""),
        ("version", Some(number)) => format!("\"{}\"", semver_like(&number)),
        ("timeout", None) => "\"5s\"".to_owned(),
        ("payload" | "reply", Some(number)) => format!("\"{number}B\""),
        ("per_caller" | "total", Some(number)) => format!("\"{number}/10s\""),
        ("payload", None) => "\"1MiB\"".to_owned(),
        ("reply", None) => "\"16MiB\"".to_owned(),
        ("per_caller", None) => "\"600/10s\"".to_owned(),
        ("total", None) => "\"6000/10s\"".to_owned(),
        ("secrets", _) => format!("{DEFAULT_SECRETS:?}"),
        ("state", _) => "\"/var/lib/hecate-greeter\"".to_owned(),
        ("deprecated", _) => "\"why callers should move on\"".to_owned(),
        _ => "\"...\"".to_owned(),
    }
}

/// The type that was probably meant.
fn type_like(item: &Meta) -> String {
    let given = match item {
        Meta::NameValue(pair) => match literal(&pair.value) {
            Some(Lit::Str(text)) => Some(text.value()),
            _ => None,
        },
        Meta::List(list) => Some(list.tokens.to_string()),
        Meta::Path(_) => None,
    };
    given.filter(|given| syn::parse_str::<syn::Ident>(given).is_ok()).unwrap_or_else(|| "LibrarySettings".to_owned())
}

/// The number that was probably meant.
fn number_like(item: &Meta) -> String {
    if let Meta::NameValue(pair) = item
        && let Some(Lit::Str(text)) = literal(&pair.value)
        && let Ok(number) = text.value().trim().parse::<u16>()
    {
        return number.to_string();
    }
    match key_of(item).as_str() {
        "health" => "8470".to_owned(),
        "ttl_days" => "30".to_owned(),
        "concurrency" => "1024".to_owned(),
        _ => "1".to_owned(),
    }
}
