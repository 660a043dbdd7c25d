//! What an attribute derives on top of the author's own derives, for messages and settings alike.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Generics, Ident, Item, Meta, Path, Token, punctuated::Punctuated};

use crate::arguments::{self, CrateArgument, Keys, Read};
use crate::crate_path::CratePath;
use crate::diagnostics::{Diagnostics, Expansion, Rule};
use crate::validate::types::spelled;

/// The crates that have them, besides the runtime crate by another name.
const ORIGINS: [&str; 3] = ["serde", "schemars", "hecate_om"];

/// The item below an attribute that derives, and what the attribute says.
pub(crate) struct Derived {
    pub(crate) item: Item,
    pub(crate) crate_path: CratePath,
    pub(crate) diagnostics: Diagnostics,
}

impl Derived {
    /// Reads both; an item that is none comes out again as it was.
    pub(crate) fn read(arguments: TokenStream, item: &TokenStream, keys: &Keys) -> Result<Self, Expansion> {
        let mut diagnostics = Diagnostics::default();
        let arguments: Read<CrateArgument> = arguments::read(arguments, keys, &mut diagnostics);
        let crate_path = match &arguments.crate_path {
            Some(path) => path.validate(&mut diagnostics),
            None => CratePath::default(),
        };
        match syn::parse2::<Item>(item.clone()) {
            Ok(item) => Ok(Self { item, crate_path, diagnostics }),
            Err(error) => {
                diagnostics.foreign(Rule::Readable, error);
                Err(Expansion::new(item.clone(), diagnostics))
            }
        }
    }

    /// The item with what the attribute derives; without what the author derives again, where that is told.
    pub(crate) fn expand(mut self, derives: &Derives) -> Expansion {
        let attributes = match &self.item {
            Item::Struct(item) => item.attrs.as_slice(),
            Item::Enum(item) => item.attrs.as_slice(),
            _ => &[],
        };
        derives.check_once(attributes, &self.crate_path, &mut self.diagnostics);
        let tokens = if self.diagnostics.is_empty() {
            let (derived, item) = (derives.attributes(&self.crate_path), self.item);
            quote!(#derived #item)
        } else {
            derives.without_doubles(self.item, &self.crate_path)
        };
        Expansion::new(tokens, self.diagnostics)
    }
}

/// What an attribute derives.
pub(crate) struct Derives {
    /// The attribute, as errors name it.
    pub(crate) taker: &'static str,
    /// The halves of serde.
    pub(crate) serde: &'static [&'static str],
    /// What serde is told besides where it is.
    pub(crate) serde_says: &'static str,
}

impl Derives {
    /// The attributes to write above an item.
    fn attributes(&self, crate_path: &CratePath) -> TokenStream {
        let private = crate_path.private();
        let text = spelled(&private);
        let (serde, schemars) = (format!("{text}::serde"), format!("{text}::schemars"));
        let halves = self.serde.iter().map(|name| Ident::new(name, proc_macro2::Span::call_site()));
        let says = (!self.serde_says.is_empty()).then(|| {
            let word = Ident::new(self.serde_says, proc_macro2::Span::call_site());
            quote!(, #word)
        });
        quote! {
            // The derive of schemars needs them where there is no prelude.
            #[allow(unused_imports)]
            use ::core::convert::{From as _, Into as _};
            #[derive(#(#private::serde::#halves,)* #private::schemars::JsonSchema)]
            #[serde(crate = #serde #says)]
            #[schemars(crate = #schemars)]
        }
    }

    /// Whether a derive is one of these: by its bare name, or by a path from where they come from. One of
    /// the same name from elsewhere, `rkyv::Serialize`, is another.
    fn has(&self, path: &Path, crate_path: &CratePath) -> bool {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let Some((last, origin)) = names.split_last() else { return false };
        let is_ours = origin.is_empty()
            || ORIGINS.iter().any(|crate_name| origin[0] == *crate_name)
            || origin.starts_with(&crate_path.segments());
        (self.serde.contains(&last.as_str()) || last == "JsonSchema") && is_ours
    }

    /// Tells of what the author derives again.
    fn check_once(&self, attributes: &[Attribute], crate_path: &CratePath, diagnostics: &mut Diagnostics) {
        let taker = self.taker;
        let paths = attributes.iter().filter_map(derived_paths).flatten();
        for path in paths.filter(|path| self.has(path, crate_path)) {
            let what = format!("`{taker}` derives `{}` already", spelled(&path));
            let all = if self.serde.len() == 1 { "both" } else { "all three" };
            let help = format!("remove it from the `derive`, or leave out `{taker}` and derive {all}");
            diagnostics.error(Rule::DerivedOnce, &path, what, help);
        }
    }

    /// The item as the attribute would make it, without the derives that the author wrote again.
    fn without_doubles(&self, mut item: Item, crate_path: &CratePath) -> TokenStream {
        let attributes = match &mut item {
            Item::Struct(item) => &mut item.attrs,
            Item::Enum(item) => &mut item.attrs,
            _ => return item.into_token_stream(),
        };
        for attribute in attributes.iter_mut() {
            if let Some(paths) = derived_paths(attribute) {
                let kept = paths.into_iter().filter(|path| !self.has(path, crate_path));
                *attribute = syn::parse_quote!(#[derive(#(#kept),*)]);
            }
        }
        let derives = self.attributes(crate_path);
        quote!(#derives #item)
    }
}

fn derived_paths(attribute: &Attribute) -> Option<Punctuated<Path, Token![,]>> {
    let Meta::List(list) = &attribute.meta else { return None };
    list.path.is_ident("derive").then(|| list.parse_args_with(Punctuated::parse_terminated).ok()).flatten()
}

/// What a type that cannot be a message, or settings, needs to pass for them: its crate does not compile anyway.
pub(crate) fn stub(name: &Ident, generics: &Generics, crate_path: &CratePath) -> TokenStream {
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
