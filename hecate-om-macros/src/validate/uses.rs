//! What a service says that it calls: `uses(Echo, "acme/rag.query" = 1)`.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Expr, LitStr, Token, Type};

use super::head::checked_version;
use super::types::{compact, last_segment, spelled, ungrouped_type};
use crate::arguments::{Integer, Nested};
use crate::diagnostics::{Diagnostics, Rule};
use crate::model::Use;
use crate::names::{is_kebab, snake_like, title_of};
use crate::reference::{Reference, looks_like_a_type};

/// One use, as written.
enum RawUse {
    Service(Box<Type>, Option<Expr>),
    Reference(LitStr, Option<Expr>),
    Unreadable(TokenStream),
}

impl Parse for RawUse {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let version = |input: ParseStream| -> syn::Result<Option<Expr>> {
            if input.parse::<Option<Token![=]>>()?.is_some() { input.parse().map(Some) } else { Ok(None) }
        };
        if input.peek(LitStr) {
            return Ok(RawUse::Reference(input.parse()?, version(input)?));
        }
        Ok(RawUse::Service(Box::new(input.parse()?), version(input)?))
    }
}

/// Reads what is used; what cannot be is told and left out.
pub(super) fn read(nested: Option<&Nested>, self_type: &Type, diagnostics: &mut Diagnostics) -> Vec<Use> {
    let Some(Nested(tokens)) = nested else { return Vec::new() };
    let raw = Parser::parse2(raw_uses, tokens.clone()).unwrap_or_default();
    let mut uses: Vec<Use> = Vec::new();
    for raw in raw {
        let (place, used) = match raw {
            RawUse::Service(ty, version) => {
                let used = service(&ty, version.as_ref(), self_type, diagnostics);
                (ty.to_token_stream(), used)
            }
            RawUse::Reference(text, version) => {
                (text.to_token_stream(), capability(&text, version.as_ref(), diagnostics))
            }
            RawUse::Unreadable(tokens) => {
                let what = format!(
                    "`uses` takes services by their types and capabilities by reference, found `{}`",
                    spelled(&tokens)
                );
                let help = "write `uses(Echo)`, or `uses(\"acme/rag.query\" = 1)`";
                diagnostics.error(Rule::UseForm, tokens, what, help);
                continue;
            }
        };
        let Some(used) = used else { continue };
        if uses.iter().any(|other| is_same(other, &used)) {
            let what = format!("`{}` is used twice", spelled(&place).trim_matches('"'));
            diagnostics.error(Rule::UsedOnce, place, what, "remove one of them");
            continue;
        }
        uses.push(used);
    }
    uses
}

/// Everything between the commas, whatever it is.
fn raw_uses(input: ParseStream) -> syn::Result<Vec<RawUse>> {
    let mut uses = Vec::new();
    while !input.is_empty() {
        let fork = input.fork();
        match fork.parse::<RawUse>() {
            Ok(used) if fork.is_empty() || fork.peek(Token![,]) => {
                input.advance_to(&fork);
                uses.push(used);
            }
            _ => {
                let mut tokens = TokenStream::new();
                while !input.is_empty() && !input.peek(Token![,]) {
                    tokens.extend([input.parse::<TokenTree>()?]);
                }
                if tokens.is_empty() {
                    tokens = input.fork().parse::<TokenTree>()?.into_token_stream();
                }
                uses.push(RawUse::Unreadable(tokens));
            }
        }
        input.parse::<Option<Token![,]>>()?;
    }
    Ok(uses)
}

fn is_same(one: &Use, other: &Use) -> bool {
    match (one, other) {
        (Use::Service(one), Use::Service(other)) => compact(one) == compact(other),
        (Use::Capability { reference: one, version: first }, Use::Capability { reference: other, version: second }) => {
            one == other && first == second
        }
        _ => false,
    }
}

fn service(ty: &Type, version: Option<&Expr>, self_type: &Type, diagnostics: &mut Diagnostics) -> Option<Use> {
    let text = compact(ty);
    let Type::Path(path) = ungrouped_type(ty) else {
        let what =
            format!("`uses` takes services by their types and capabilities by reference, found `{}`", spelled(ty));
        diagnostics.error(Rule::UseForm, ty, what, "write the name of a service's type, such as `Echo`");
        return None;
    };
    let is_own = text == "Self" || text == compact(self_type);
    if is_own {
        let what = format!("`{}` uses itself, which every service does without a word", spelled(self_type));
        diagnostics.error(Rule::OtherService, ty, what, "remove it");
        return None;
    }
    let is_constant = |name: String| name.len() > 1 && !name.contains(|c: char| c.is_lowercase());
    if path.path.segments.len() > 1 && last_segment(ty).is_some_and(|name| is_constant(name.to_string())) {
        let what = format!("`{text}` is a capability, and a service is used as a whole");
        let of = text.rsplit_once("::").map_or(&*text, |(of, _)| of);
        diagnostics.error(Rule::UseForm, ty, what, format!("write `{of}`"));
        return None;
    }
    if let Some(version) = version {
        let what = format!("`{text}` is a type, which knows the versions of its capabilities");
        diagnostics.error(Rule::UseForm, version, what, format!("write `{text}`"));
        return None;
    }
    Some(Use::Service(ty.clone()))
}

fn capability(text: &LitStr, version: Option<&Expr>, diagnostics: &mut Diagnostics) -> Option<Use> {
    let value = text.value();
    let number = version.and_then(Integer::of);
    let Some(reference) = Reference::parse(&value) else {
        let what = format!("`{value}` is no reference: `[<org>/]<name>`, a name of two or more lower snake parts");
        let at = value.rsplit_once('@').map(|(_, version)| version).and_then(|version| version.parse::<u16>().ok());
        let given = number.as_ref().and_then(|number| number.value).unwrap_or_else(|| at.unwrap_or(1).into());
        let reference = format!("`\"{}\" = {given}`", Reference::like(&value));
        let help = if looks_like_a_type(&value) {
            format!("write the type without quotes, `{value}`, or {reference}")
        } else if value.contains(['.', '/']) {
            format!("write {reference}")
        } else {
            let name = value.strip_prefix("hecate-").unwrap_or(&value);
            let (ty, scope) = (title_of(name).replace(' ', ""), snake_like(name, "echo"));
            let ty = if ty.is_empty() { "Echo" } else { &*ty };
            let one = if is_kebab(&value) { format!("{value}/{scope}.query") } else { format!("{scope}.query") };
            format!("write the service's type, such as `{ty}`, or one of its capabilities, such as `\"{one}\" = 1`")
        };
        diagnostics.error(Rule::ReferenceForm, text, what, help);
        return None;
    };
    let help = format!("write `\"{reference}\" = 1`");
    let Some(number) = number else {
        let (place, what) = match version {
            Some(version) => {
                let what = format!("a version is a whole number from 1 to 65535, found `{}`", spelled(version));
                (version.to_token_stream(), what)
            }
            None => (text.to_token_stream(), format!("the use of `{reference}` names no version")),
        };
        diagnostics.error(Rule::UseVersion, place, what, help);
        return None;
    };
    let version = checked_version(&number, help, diagnostics)?;
    Some(Use::Capability { reference, version })
}
