//! The arguments of the attributes, read by darling once their keys are known to be right.

use darling::FromMeta;
use darling::ast::NestedMeta;
use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::{Expr, Lit, Meta};

use crate::crate_path::RawCratePath;
use crate::diagnostics::{Diagnostics, Rule};
use crate::names::nearest;

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

fn wrong_value(item: &Meta, kind: &str, example: &str) -> darling::Error {
    let key = item.path().get_ident().map(ToString::to_string).unwrap_or_default();
    let (found, span) = match item {
        Meta::Path(path) => ("nothing".to_owned(), path.span()),
        Meta::List(list) => ("a list".to_owned(), list.span()),
        Meta::NameValue(pair) => (found_in(&pair.value), pair.value.span()),
    };
    let message = format!("`{key}` takes {kind}, found {found}\nhelp: write `{key} = {example}`");
    darling::Error::custom(message).with_span(&span)
}

fn found_in(value: &Expr) -> String {
    match ungrouped(value) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(_) => "a string".to_owned(),
            Lit::Int(_) | Lit::Float(_) => "a number".to_owned(),
            Lit::Bool(_) => "a boolean".to_owned(),
            _ => "another literal".to_owned(),
        },
        Expr::Array(_) => "a list".to_owned(),
        _ => "an expression that only the compiler can evaluate".to_owned(),
    }
}

impl FromMeta for Text {
    fn from_meta(item: &Meta) -> darling::Result<Self> {
        if let Meta::NameValue(pair) = item
            && let Expr::Lit(literal) = ungrouped(&pair.value)
            && let Lit::Str(text) = &literal.lit
        {
            return Ok(Written { value: text.value(), place: pair.value.clone() });
        }
        Err(wrong_value(item, "a string literal", "\"...\""))
    }
}

impl FromMeta for Integer {
    fn from_meta(item: &Meta) -> darling::Result<Self> {
        if let Meta::NameValue(pair) = item {
            match ungrouped(&pair.value) {
                Expr::Lit(literal) => {
                    if let Lit::Int(number) = &literal.lit {
                        return Ok(Written { value: number.base10_parse().ok(), place: pair.value.clone() });
                    }
                }
                // `-1`: a number, and out of every range.
                Expr::Unary(_) => return Ok(Written { value: None, place: pair.value.clone() }),
                _ => {}
            }
        }
        Err(wrong_value(item, "a whole number", "1"))
    }
}

/// A list of string literals, `["a", "b"]`.
#[derive(Clone)]
pub(crate) struct Texts(pub(crate) Vec<Text>);

impl FromMeta for Texts {
    fn from_meta(item: &Meta) -> darling::Result<Self> {
        let wrong = || wrong_value(item, "a list of string literals", "[\"...\"]");
        let Meta::NameValue(pair) = item else { return Err(wrong()) };
        let Expr::Array(array) = ungrouped(&pair.value) else { return Err(wrong()) };
        let text = |element: &Expr| match ungrouped(element) {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Ok(Written { value: text.value(), place: element.clone() }),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        };
        array.elems.iter().map(text).collect::<darling::Result<_>>().map(Texts)
    }
}

/// What an author wrote in `#[hecate_service(...)]`.
#[derive(FromMeta, Default)]
#[darling(default)]
pub(crate) struct ServiceArguments {
    pub(crate) name: Option<Text>,
    pub(crate) description: Option<Text>,
    pub(crate) version: Option<Text>,
    pub(crate) scope: Option<Text>,
    pub(crate) display_name: Option<Text>,
    pub(crate) depends_on: Option<Texts>,
    pub(crate) image: Option<Text>,
    pub(crate) license: Option<Text>,
    pub(crate) repository: Option<Text>,
    pub(crate) tenancy: Option<Text>,
    pub(crate) runs_on: Option<Text>,
    pub(crate) ports: Option<PortArguments>,
    #[darling(rename = "crate")]
    pub(crate) crate_path: Option<RawCratePath>,
}

/// What an author wrote in `ports(...)`.
#[derive(Default)]
pub(crate) struct PortArguments {
    pub(crate) health: Option<Integer>,
}

impl FromMeta for PortArguments {
    fn from_meta(item: &Meta) -> darling::Result<Self> {
        let example = "help: write `ports(health = 8470)`";
        if let Meta::List(list) = item
            && let Ok(nested) = NestedMeta::parse_meta_list(list.tokens.clone())
        {
            let mut ports = Self::default();
            for port in &nested {
                match port {
                    NestedMeta::Meta(meta) if meta.path().is_ident("health") && ports.health.is_none() => {
                        ports.health = Some(Integer::from_meta(meta)?);
                    }
                    other => {
                        return Err(darling::Error::custom(format!("`ports` has one port, `health`\n{example}"))
                            .with_span(other));
                    }
                }
            }
            return Ok(ports);
        }
        Err(darling::Error::custom(format!("`ports` takes its ports in parentheses\n{example}")).with_span(item))
    }
}

/// What an author wrote in `#[capability(...)]`.
#[derive(FromMeta, Default)]
#[darling(default)]
pub(crate) struct CapabilityArguments {
    pub(crate) name: Option<Text>,
    pub(crate) version: Option<Integer>,
    pub(crate) timeout: Option<Text>,
    pub(crate) deprecated: Option<Text>,
}

/// What an author wrote in `#[message(...)]` or, on the enum, in `#[refusal(...)]`.
#[derive(FromMeta, Default)]
#[darling(default)]
pub(crate) struct CrateArgument {
    #[darling(rename = "crate")]
    pub(crate) crate_path: Option<RawCratePath>,
}

/// The keys that an attribute takes.
pub(crate) struct Keys {
    /// The attribute, as its errors name it.
    pub(crate) attribute: &'static str,
    pub(crate) known: &'static [&'static str],
    /// Where a key may belong instead.
    pub(crate) elsewhere: Option<&'static Keys>,
}

pub(crate) static SERVICE_KEYS: Keys = Keys {
    attribute: "hecate_service",
    known: &[
        "name",
        "description",
        "version",
        "scope",
        "display_name",
        "depends_on",
        "image",
        "license",
        "repository",
        "tenancy",
        "runs_on",
        "ports",
        "crate",
    ],
    elsewhere: Some(&CAPABILITY_KEYS),
};

pub(crate) static CAPABILITY_KEYS: Keys = Keys {
    attribute: "capability",
    known: &["name", "version", "timeout", "deprecated"],
    elsewhere: Some(&SERVICE_KEYS),
};

pub(crate) static CRATE_KEYS: Keys = Keys { attribute: "message", known: &["crate"], elsewhere: None };

/// Reads arguments as `A`; what cannot be read is a diagnostic, and its argument is left out.
pub(crate) fn read<A: FromMeta + Default>(tokens: TokenStream, keys: &Keys, diagnostics: &mut Diagnostics) -> A {
    let listed = match NestedMeta::parse_meta_list(tokens) {
        Ok(listed) => listed,
        Err(error) => {
            diagnostics.foreign(Rule::Readable, error);
            return A::default();
        }
    };
    let mut seen: Vec<String> = Vec::new();
    let mut arguments = A::default();
    let mut kept = Vec::new();
    for item in listed {
        if is_known(&item, keys, &mut seen, diagnostics) {
            kept.push(item);
        }
    }
    match A::from_list(&kept) {
        Ok(read) => arguments = read,
        Err(errors) => {
            diagnostics.foreign(Rule::ArgumentValue, errors);
            // The rest is still good: read what stands alone without an error.
            kept.retain(|item| A::from_list(std::slice::from_ref(item)).is_ok());
            arguments = A::from_list(&kept).unwrap_or(arguments);
        }
    }
    arguments
}

fn is_known(item: &NestedMeta, keys: &Keys, seen: &mut Vec<String>, diagnostics: &mut Diagnostics) -> bool {
    let attribute = keys.attribute;
    let expected = format!("`#[{attribute}]` takes {}", quoted(keys.known));
    let NestedMeta::Meta(meta) = item else {
        let what = format!("`#[{attribute}]` takes arguments by name, found a literal");
        diagnostics.error(
            Rule::ArgumentValue,
            item,
            what,
            format!("write `{} = ...`; {expected}", keys.known.first().unwrap_or(&"name")),
        );
        return false;
    };
    let key = meta.path().segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>().join("::");
    if !keys.known.contains(&key.as_str()) {
        let elsewhere = keys.elsewhere.filter(|other| other.known.contains(&key.as_str()));
        if let Some(other) = elsewhere {
            let what = format!("`{key}` is no argument of `#[{attribute}]`");
            diagnostics.error(
                Rule::ArgumentLevel,
                meta.path(),
                what,
                format!("write it in `#[{}(...)]`", other.attribute),
            );
        } else {
            let help = match nearest(&key, keys.known) {
                Some(near) => format!("did you mean `{near}`? {expected}"),
                None => expected,
            };
            diagnostics.error(Rule::KnownArgument, meta.path(), format!("unknown argument `{key}`"), help);
        }
        return false;
    }
    if seen.contains(&key) {
        diagnostics.error(Rule::ArgumentOnce, meta.path(), format!("`{key}` is given twice"), "remove one of them");
        return false;
    }
    seen.push(key);
    true
}

/// `a`, `b` and `c`, each in backticks.
pub(crate) fn quoted(words: &[&str]) -> String {
    let ticked: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match ticked.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => ticked.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn rules_of<A: FromMeta + Default>(tokens: TokenStream, keys: &Keys) -> (A, Vec<Rule>) {
        let mut diagnostics = Diagnostics::default();
        let arguments = read(tokens, keys, &mut diagnostics);
        (arguments, diagnostics.rules())
    }

    #[test]
    fn every_known_key_has_a_field() {
        for keys in [&SERVICE_KEYS, &CAPABILITY_KEYS, &CRATE_KEYS] {
            for key in keys.known {
                let mut diagnostics = Diagnostics::default();
                let tokens: TokenStream = key.parse().unwrap();
                match keys.attribute {
                    "hecate_service" => drop(read::<ServiceArguments>(tokens, keys, &mut diagnostics)),
                    "capability" => drop(read::<CapabilityArguments>(tokens, keys, &mut diagnostics)),
                    _ => drop(read::<CrateArgument>(tokens, keys, &mut diagnostics)),
                }
                // Without a value each is wrong in its own words; a key without a field would be darling's.
                assert_eq!(diagnostics.rules(), [Rule::ArgumentValue], "{key}");
                assert!(
                    diagnostics.messages()[0].starts_with(&format!("`{key}` takes")),
                    "{:?}",
                    diagnostics.messages()
                );
            }
        }
    }

    #[test]
    fn one_wrong_argument_does_not_hide_the_others() {
        let tokens = quote!(name = 3, verzion = "1.0.0", scope = "x", scope = "y", timeout = "1s");
        let (arguments, rules) = rules_of::<ServiceArguments>(tokens, &SERVICE_KEYS);
        assert_eq!(rules, [Rule::KnownArgument, Rule::ArgumentOnce, Rule::ArgumentLevel, Rule::ArgumentValue]);
        assert_eq!(arguments.scope.unwrap().value, "x");
        assert!(arguments.name.is_none());
    }
}
