//! `#[derive(Refusal)]`: an enum whose variants callers can tell apart.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, Meta, Type, Variant};

use crate::arguments::{self, CrateArgument, REFUSAL_KEYS, Read, VARIANT_KEYS};
use crate::crate_path::CratePath;
use crate::diagnostics::{Diagnostics, Expansion, Rule};
use crate::docs::Doc;
use crate::names::{nearest, snake_like};
use crate::validate::types::{first_span, last_segment, spelled};

/// The codes that callers must be able to trust to be the runtime's.
const RUNTIME_CODES: [&str; 13] = [
    "invalid_request",
    "unauthorized",
    "unknown_capability",
    "unsupported_version",
    "payload_too_large",
    "rate_limited",
    "overloaded",
    "draining",
    "unavailable",
    "timeout",
    "internal",
    "too_many_hops",
    "undeclared",
];

/// A variant, checked.
enum Refused {
    /// A code of its own, with named details.
    Own { code: String, message: String, details: Vec<Ident>, types: Vec<Type> },
    /// Another refusal, passed on as it came.
    Transparent { pattern: TokenStream, ty: Type },
}

/// Implements `Refusal`, and `From` for what passes through.
pub(crate) fn expand(item: TokenStream) -> Expansion {
    let mut diagnostics = Diagnostics::default();
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => {
            diagnostics.foreign(Rule::Readable, error);
            return Expansion::new(TokenStream::new(), diagnostics);
        }
    };
    let crate_path = enum_crate_path(&input.attrs, &mut diagnostics);
    let variants: Vec<&Variant> = match &input.data {
        Data::Enum(data) => data.variants.iter().collect(),
        Data::Struct(data) => {
            reject(&input.ident, data.struct_token, "a struct", &mut diagnostics);
            Vec::new()
        }
        Data::Union(data) => {
            reject(&input.ident, data.union_token, "a union", &mut diagnostics);
            Vec::new()
        }
    };
    if !input.generics.params.is_empty() {
        let what = format!("refusal `{}` cannot have parameters: its codes stand in a contract", input.ident);
        diagnostics.error(Rule::ConcreteRefusal, &input.generics.params, what, "use concrete types");
    }
    let refused: Vec<_> = variants.iter().map(|variant| read(variant, &input.ident, &mut diagnostics)).collect();
    let tokens = if diagnostics.is_empty() {
        implementation(&input.ident, &crate_path, &variants, &refused)
    } else {
        stub(&input, &crate_path)
    };
    Expansion::new(tokens, diagnostics)
}

fn reject(name: &Ident, place: impl ToTokens, kind: &str, diagnostics: &mut Diagnostics) {
    let what = format!("`#[derive(Refusal)]` goes on an enum, found {kind}");
    diagnostics.error(
        Rule::RefusalEnum,
        place,
        what,
        format!("write `enum {name} {{ .. }}` with a variant for each reason"),
    );
}

fn refusal_attributes(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("refusal"))
}

fn enum_crate_path(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> CratePath {
    let mut crate_path = CratePath::default();
    for attribute in refusal_attributes(attributes) {
        let tokens = attribute.meta.require_list().map(|list| list.tokens.clone()).unwrap_or_default();
        let arguments: Read<CrateArgument> = arguments::read(tokens, &REFUSAL_KEYS, diagnostics);
        if let Some(path) = &arguments.crate_path {
            crate_path = path.validate(diagnostics);
        }
    }
    crate_path
}

fn read(variant: &Variant, of: &Ident, diagnostics: &mut Diagnostics) -> Option<Refused> {
    if is_transparent(variant, diagnostics)? {
        read_transparent(variant, diagnostics)
    } else {
        read_own(variant, of, diagnostics)
    }
}

/// Whether a variant passes another refusal on; none where its attribute cannot be read.
fn is_transparent(variant: &Variant, diagnostics: &mut Diagnostics) -> Option<bool> {
    let mut transparent = false;
    for attribute in refusal_attributes(&variant.attrs) {
        let Meta::List(list) = &attribute.meta else {
            diagnostics.error(
                Rule::KnownArgument,
                attribute,
                "`#[refusal]` says nothing",
                "write `#[refusal(transparent)]`, or remove it",
            );
            return None;
        };
        let inner: Meta = match list.parse_args() {
            Ok(inner) => inner,
            Err(error) => {
                let message = format!("{error}\nhelp: write `#[refusal(transparent)]`");
                diagnostics.foreign(Rule::Readable, syn::Error::new(error.span(), message));
                return None;
            }
        };
        if !inner.path().is_ident("transparent") {
            let argument = spelled(inner.path());
            let (rule, what) = if argument == "crate" {
                (Rule::ArgumentLevel, "`crate` is no argument of a variant".to_owned())
            } else {
                (Rule::KnownArgument, format!("unknown argument `{argument}`"))
            };
            let help = match nearest(&argument, VARIANT_KEYS.known) {
                _ if argument == "crate" => "write it above the enum".to_owned(),
                Some(near) => format!("did you mean `{near}`?"),
                None => "a variant takes `transparent`; its code is its name, its message its doc comment".to_owned(),
            };
            diagnostics.error(rule, inner.path(), what, help);
            return None;
        }
        if !matches!(inner, Meta::Path(_)) {
            let what = "`transparent` takes no value";
            diagnostics.error(Rule::ArgumentValue, &inner, what, "write `#[refusal(transparent)]`");
            return None;
        }
        if transparent {
            diagnostics.error(Rule::ArgumentOnce, &inner, "`transparent` is given twice", "remove one of them");
        }
        transparent = true;
    }
    Some(transparent)
}

fn read_transparent(variant: &Variant, diagnostics: &mut Diagnostics) -> Option<Refused> {
    let mut fields = variant.fields.iter();
    let (Some(Field { ident, ty, .. }), None) = (fields.next(), fields.next()) else {
        let what = format!("transparent refusal `{}` must hold exactly one other", variant.ident);
        let other = variant.fields.iter().next().map_or_else(|| "CallError".to_owned(), |field| spelled(&field.ty));
        diagnostics.error(Rule::TransparentField, &variant.ident, what, format!("write `{}({other})`", variant.ident));
        return None;
    };
    let name = &variant.ident;
    let pattern = match ident {
        Some(field) => quote!(#name { #field: inner }),
        None => quote!(#name(inner)),
    };
    Some(Refused::Transparent { pattern, ty: ty.clone() })
}

fn read_own(variant: &Variant, of: &Ident, diagnostics: &mut Diagnostics) -> Option<Refused> {
    let before = diagnostics.len();
    let name = variant.ident.unraw().to_string();
    let code = snake_like(&name, &name.to_lowercase());
    if RUNTIME_CODES.contains(&code.as_str()) {
        let what = format!("refusal `{name}` would have the code `{code}`, which is the runtime's own");
        diagnostics.error(
            Rule::OwnCode,
            &variant.ident,
            what,
            format!("name the reason more closely, such as `{}{name}`", subject(of)),
        );
    }
    let doc = Doc::of(&variant.attrs);
    if let Some(unreadable) = doc.unreadable {
        diagnostics.error(
            Rule::LiteralDoc,
            unreadable,
            "this doc comment is no literal, so callers cannot be told",
            "write the message in a `///` line",
        );
    } else if doc.text.is_empty() {
        let what = format!("refusal `{name}` has no message");
        diagnostics.error(
            Rule::RefusalMessage,
            &variant.ident,
            what,
            "write `/// What went wrong.` above it: callers read it",
        );
    }
    if let Fields::Unnamed(fields) = &variant.fields {
        let number = |index: usize| if fields.unnamed.len() == 1 { String::new() } else { format!("_{}", index + 1) };
        let named = fields.unnamed.iter().enumerate();
        let named = named.map(|(index, field)| format!("detail{}: {}", number(index), as_detail(&field.ty)));
        let named = named.collect::<Vec<_>>().join(", ");
        let what = format!("the details of refusal `{name}` have no names");
        let help = format!("write `{name} {{ {named} }}`, or `#[refusal(transparent)]` to pass another refusal on");
        diagnostics.error(Rule::NamedDetails, fields, what, help);
    }
    if diagnostics.len() > before {
        return None;
    }
    let details = variant.fields.iter().filter_map(|field| field.ident.clone()).collect();
    let types = variant.fields.iter().map(|field| field.ty.clone()).collect();
    Some(Refused::Own { code, message: doc.text, details, types })
}

/// The type of a detail: what an error says, where it is one.
fn as_detail(ty: &Type) -> String {
    let is_error = last_segment(ty).is_some_and(|name| name.to_string().ends_with("Error"));
    if is_error { "String".to_owned() } else { spelled(ty) }
}

/// `Greet` of `GreetRefusal`: what is refused.
fn subject(of: &Ident) -> String {
    let name = of.unraw().to_string();
    let short = ["Refusal", "Error"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    if short.is_empty() { "Own".to_owned() } else { short.to_owned() }
}

fn implementation(
    name: &Ident,
    crate_path: &CratePath,
    variants: &[&Variant],
    refused: &[Option<Refused>],
) -> TokenStream {
    let private = crate_path.private();
    let mut arms = Vec::new();
    let mut codes = Vec::new();
    let mut conversions = Vec::new();
    for (variant, refused) in variants.iter().zip(refused) {
        let variant_name = &variant.ident;
        match refused {
            Some(Refused::Own { code, message, details, types }) => {
                // At the type, so that one that cannot be sent is told there.
                let bound: Vec<Ident> = (details.iter().zip(types))
                    .map(|(field, ty)| format_ident!("__{}", field.unraw(), span = first_span(ty)))
                    .collect();
                let pattern = matches!(variant.fields, Fields::Named(_)).then(|| quote!({ #(#details: #bound),* }));
                let keys = details.iter().map(|field| field.unraw().to_string());
                let values = bound.iter().map(|bound| quote_spanned!(bound.span()=> #private::detail(&#bound)));
                arms.push(
                    quote!(Self::#variant_name #pattern => #private::refuse(#code, #message, [#((#keys, #values)),*])),
                );
                codes.push(quote!(__codes.push(#private::RefusalCode { code: #code, message: #message });));
            }
            Some(Refused::Transparent { pattern, ty }) => {
                let refusal = quote_spanned!(first_span(ty)=> <#ty as #private::Refusal>);
                arms.push(quote!(Self::#pattern => #refusal::into_error(inner)));
                codes.push(quote!(::core::iter::Extend::extend(&mut __codes, #refusal::codes());));
                conversions.push(quote! {
                    #[automatically_derived]
                    impl ::core::convert::From<#ty> for #name {
                        fn from(inner: #ty) -> Self { Self::#pattern }
                    }
                });
            }
            None => {}
        }
    }
    quote! {
        #[automatically_derived]
        impl #private::Refusal for #name {
            fn into_error(self) -> #private::CapabilityError { match self { #(#arms,)* } }
            fn codes() -> ::std::vec::Vec<#private::RefusalCode> {
                let mut __codes = ::std::vec::Vec::new();
                #(#codes)*
                __codes
            }
        }
        #(#conversions)*
    }
}

fn stub(input: &DeriveInput, crate_path: &CratePath) -> TokenStream {
    let private = crate_path.private();
    let name = &input.ident;
    let (parameters, arguments, clauses) = input.generics.split_for_impl();
    let clauses = clauses.map(|clause| &clause.predicates).into_iter().flatten();
    quote! {
        #[automatically_derived]
        impl #parameters #private::Refusal for #name #arguments where Self: ::core::marker::Send + 'static, #(#clauses),* {
            fn into_error(self) -> #private::CapabilityError { ::core::unreachable!() }
            fn codes() -> ::std::vec::Vec<#private::RefusalCode> { ::std::vec::Vec::new() }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::RUNTIME_CODES;

    /// The string literals between two texts of a source.
    fn literals<'a>(source: &'a str, from: &str, to: &str) -> Vec<&'a str> {
        let (_, rest) = source.split_once(from).unwrap();
        let (part, _) = rest.split_once(to).unwrap();
        part.split('"').skip(1).step_by(2).collect()
    }

    #[test]
    fn refusals_keep_off_exactly_the_codes_of_the_runtime() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../hecate-om/src/capability/error.rs");
        let source = std::fs::read_to_string(path).unwrap();
        let spoken = literals(&source, "pub fn as_str", "    }\n");
        assert!(!spoken.is_empty(), "error.rs is written otherwise");
        let of_runtime: BTreeSet<&str> = spoken.into_iter().collect();
        assert_eq!(BTreeSet::from(RUNTIME_CODES), of_runtime);
    }
}
