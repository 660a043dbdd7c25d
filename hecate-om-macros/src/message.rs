//! `#[message]`: a type that goes over the wire, in one word.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Fields, Generics, Ident, Item, Meta, Path, Token, punctuated::Punctuated};

use crate::arguments::{self, CrateArgument, MESSAGE_KEYS, Read};
use crate::crate_path::CratePath;
use crate::diagnostics::{Diagnostics, Expansion, Rule};
use crate::service::kind_of;
use crate::validate::types::spelled;

const DERIVED: [&str; 3] = ["Serialize", "Deserialize", "JsonSchema"];

/// The crates that have them, besides the runtime crate by another name.
const ORIGINS: [&str; 3] = ["serde", "schemars", "hecate_om"];

/// Adds both serde halves and the JSON Schema.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Expansion {
    let mut diagnostics = Diagnostics::default();
    let arguments: Read<CrateArgument> = arguments::read(arguments, &MESSAGE_KEYS, &mut diagnostics);
    let crate_path = match &arguments.crate_path {
        Some(path) => path.validate(&mut diagnostics),
        None => CratePath::default(),
    };
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
                let help = format!("write `struct {} {{}}`", item.ident);
                diagnostics.error(Rule::MessageFields, &item.ident, what, help);
            }
            &item.attrs
        }
        Item::Enum(item) => &item.attrs,
        other => {
            let (kind, place) = kind_of(other);
            let (help, stub) = match other {
                Item::Union(union) => (
                    format!("write `struct {0} {{ .. }}` or `enum {0} {{ .. }}`", union.ident),
                    stub(&union.ident, &union.generics, &crate_path),
                ),
                Item::Type(_) => {
                    ("remove it: an alias is as good a message as its type is".to_owned(), TokenStream::new())
                }
                _ => ("write it above `struct Request { .. }`".to_owned(), TokenStream::new()),
            };
            let what = format!("`#[message]` goes on a struct or an enum, found {kind}");
            diagnostics.error(Rule::MessageType, place, what, help);
            return Expansion::new(quote!(#item #stub), diagnostics);
        }
    };
    check_derives(attributes, &crate_path, &mut diagnostics);
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
        // The derive of schemars needs them where there is no prelude.
        #[allow(unused_imports)]
        use ::core::convert::{From as _, Into as _};
        #[derive(#private::serde::Serialize, #private::serde::Deserialize, #private::schemars::JsonSchema)]
        #[serde(crate = #serde)]
        #[schemars(crate = #schemars)]
    }
}

/// What a type that cannot be a message needs to pass for one: its crate does not compile anyway.
fn stub(name: &Ident, generics: &Generics, crate_path: &CratePath) -> TokenStream {
    let private = crate_path.private();
    let (parameters, arguments, clauses) = generics.split_for_impl();
    if !generics.params.is_empty() {
        return TokenStream::new();
    }
    quote! {
        #[automatically_derived]
        impl #parameters #private::serde::Serialize for #name #arguments #clauses {
            fn serialize<S: #private::serde::Serializer>(&self, _: S) -> ::core::result::Result<S::Ok, S::Error> {
                ::core::unreachable!()
            }
        }
        #[automatically_derived]
        impl<'de> #private::serde::Deserialize<'de> for #name #arguments #clauses {
            fn deserialize<D: #private::serde::Deserializer<'de>>(_: D) -> ::core::result::Result<Self, D::Error> {
                ::core::unreachable!()
            }
        }
        #[automatically_derived]
        impl #parameters #private::schemars::JsonSchema for #name #arguments #clauses {
            fn schema_name() -> ::std::borrow::Cow<'static, ::core::primitive::str> { ::core::unreachable!() }
            fn json_schema(_: &mut #private::schemars::SchemaGenerator) -> #private::schemars::Schema {
                ::core::unreachable!()
            }
        }
    }
}

fn derived_paths(attribute: &Attribute) -> Option<Punctuated<Path, Token![,]>> {
    let Meta::List(list) = &attribute.meta else { return None };
    list.path.is_ident("derive").then(|| list.parse_args_with(Punctuated::parse_terminated).ok()).flatten()
}

/// Whether a derive is one of ours: by its bare name, or by a path from where they come from. One of
/// the same name from elsewhere, `rkyv::Serialize`, is another.
fn is_derived(path: &Path, crate_path: &CratePath) -> bool {
    let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let Some((last, origin)) = names.split_last() else { return false };
    let is_ours = origin.is_empty()
        || ORIGINS.iter().any(|crate_name| origin[0] == *crate_name)
        || origin.starts_with(&crate_path.segments());
    DERIVED.contains(&last.as_str()) && is_ours
}

fn check_derives(attributes: &[Attribute], crate_path: &CratePath, diagnostics: &mut Diagnostics) {
    let paths = attributes.iter().filter_map(derived_paths).flatten();
    for path in paths.filter(|path| is_derived(path, crate_path)) {
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
            let kept = paths.into_iter().filter(|path| !is_derived(path, crate_path));
            *attribute = syn::parse_quote!(#[derive(#(#kept),*)]);
        }
    }
    let derives = derives(crate_path);
    quote!(#derives #item)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(arguments: TokenStream, derived: &TokenStream) -> Expansion {
        expand(
            arguments,
            quote!(
                #[derive(#derived)]
                struct Greet {
                    name: String,
                }
            ),
        )
    }

    #[test]
    fn derives_of_the_same_name_from_elsewhere_stay() {
        let derived = quote!(rkyv::Serialize, ::rkyv::Deserialize, crate::wire::JsonSchema);
        for arguments in [quote!(), quote!(crate = crate::om)] {
            let expansion = expanded(arguments, &derived);
            assert!(expansion.diagnostics.is_empty(), "{:?}", expansion.diagnostics.messages());
            assert!(expansion.tokens.to_string().contains(&derived.to_string()));
        }
    }

    #[test]
    fn derives_of_our_own_are_refused_by_whatever_path() {
        for derived in [
            quote!(Serialize),
            quote!(serde::Deserialize),
            quote!(::schemars::JsonSchema),
            quote!(hecate_om::__private::serde::Serialize),
        ] {
            assert_eq!(expanded(quote!(), &derived).diagnostics.rules(), [Rule::DerivedOnce], "{derived}");
        }
        for (arguments, derived) in [
            (quote!(crate = ::om), quote!(om::__private::serde::Serialize)),
            (quote!(crate = crate::om), quote!(crate::om::__private::serde::Serialize)),
        ] {
            assert_eq!(expanded(arguments, &derived).diagnostics.rules(), [Rule::DerivedOnce], "{derived}");
        }
    }
}
