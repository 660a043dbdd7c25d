//! `#[message]`: a type that goes over the wire, in one word.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Fields, Item, Meta, Token, punctuated::Punctuated};

use crate::arguments::{self, CRATE_KEYS, CrateArgument};
use crate::crate_path::CratePath;
use crate::diagnostics::{Diagnostics, Expansion, Rule};
use crate::validate::spelled;

const DERIVED: [&str; 3] = ["Serialize", "Deserialize", "JsonSchema"];

/// Adds both serde halves and the JSON Schema.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Expansion {
    let mut diagnostics = Diagnostics::default();
    let arguments: CrateArgument = arguments::read(arguments, &CRATE_KEYS, &mut diagnostics);
    let crate_path = arguments.crate_path.map_or_else(CratePath::default, |path| path.validate(&mut diagnostics));
    let parsed = match syn::parse2::<Item>(item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            diagnostics.foreign(Rule::Readable, error);
            return Expansion::new(item, diagnostics);
        }
    };
    let attributes = match &parsed {
        Item::Struct(item) => {
            if matches!(item.fields, Fields::Unit) {
                let what = format!("message `{}` would be `null` on the wire, not an object", item.ident);
                diagnostics.error(
                    Rule::MessageFields,
                    &item.ident,
                    what,
                    format!("write `struct {} {{}}`", item.ident),
                );
            }
            &item.attrs
        }
        Item::Enum(item) => &item.attrs,
        other => {
            let (what, place) = other_item(other);
            diagnostics.error(
                Rule::MessageType,
                place,
                format!("`#[message]` goes on a struct or an enum, found {what}"),
                "write `#[message] struct Request { .. }`",
            );
            return Expansion::new(item, diagnostics);
        }
    };
    check_derives(attributes, &mut diagnostics);
    if !diagnostics.is_empty() {
        return Expansion::new(without_derived(parsed, &crate_path), diagnostics);
    }
    let derives = derives(&crate_path);
    Expansion::new(quote!(#derives #item), diagnostics)
}

fn derives(crate_path: &CratePath) -> TokenStream {
    let private = crate_path.private();
    let text = spelled(&private);
    let (serde, schemars) = (format!("{text}::serde"), format!("{text}::schemars"));
    quote! {
        #[derive(#private::serde::Serialize, #private::serde::Deserialize, #private::schemars::JsonSchema)]
        #[serde(crate = #serde)]
        #[schemars(crate = #schemars)]
    }
}

fn other_item(item: &Item) -> (&'static str, TokenStream) {
    match item {
        Item::Union(item) => ("a union", item.union_token.to_token_stream()),
        Item::Fn(item) => ("a function", item.sig.fn_token.to_token_stream()),
        Item::Impl(item) => ("an `impl` block", item.impl_token.to_token_stream()),
        Item::Trait(item) => ("a trait", item.trait_token.to_token_stream()),
        Item::Type(item) => ("a type alias", item.type_token.to_token_stream()),
        other => ("another item", other.to_token_stream()),
    }
}

fn derived_paths(attribute: &Attribute) -> Option<Punctuated<syn::Path, Token![,]>> {
    let Meta::List(list) = &attribute.meta else { return None };
    list.path.is_ident("derive").then(|| list.parse_args_with(Punctuated::parse_terminated).ok()).flatten()
}

fn is_derived(path: &syn::Path) -> bool {
    path.segments.last().is_some_and(|last| DERIVED.iter().any(|name| last.ident == name))
}

fn check_derives(attributes: &[Attribute], diagnostics: &mut Diagnostics) {
    for path in attributes.iter().filter_map(derived_paths).flatten().filter(is_derived) {
        let what = format!("`#[message]` derives `{}` already", spelled(&path));
        diagnostics.error(
            Rule::DerivedOnce,
            &path,
            what,
            "remove it from the `derive`, or leave out `#[message]` and derive all three",
        );
    }
}

/// The item as `#[message]` would make it, without the derives that the author wrote again.
fn without_derived(mut item: Item, crate_path: &CratePath) -> TokenStream {
    let attributes = match &mut item {
        Item::Struct(item) => &mut item.attrs,
        Item::Enum(item) => &mut item.attrs,
        _ => return item.into_token_stream(),
    };
    for attribute in attributes.iter_mut() {
        if let Some(paths) = derived_paths(attribute) {
            let kept = paths.into_iter().filter(|path| !is_derived(path));
            *attribute = syn::parse_quote!(#[derive(#(#kept),*)]);
        }
    }
    let derives = derives(crate_path);
    quote!(#derives #item)
}
