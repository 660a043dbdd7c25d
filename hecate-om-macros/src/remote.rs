//! `remote_service!`: the type and the typed constants of a service whose crate is not linked.

mod entry;

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Expr, Ident, LitStr, Path, Token, Visibility, braced};

use crate::arguments::Text;
use crate::crate_path::{CratePath, RawCratePath};
use crate::diagnostics::{Diagnostics, Expansion, Rule};
use crate::validate::checked_service_name;
use entry::Entry;

const FORM: &str = "`remote_service!(pub Rag in \"hecate-rag\" { QUERY: \"rag.query\" = 1, Query -> Answer })`";

/// What was read of a service, up to where it could not be.
#[derive(Default)]
struct RawRemote {
    crate_path: Option<RawCratePath>,
    attributes: Vec<Attribute>,
    visibility: Option<Visibility>,
    ty: Option<Ident>,
    name: Option<LitStr>,
    entries: TokenStream,
    error: Option<syn::Error>,
}

/// Writes the type of a service, and a constant for each of its capabilities.
pub(crate) fn expand(tokens: TokenStream) -> Expansion {
    let mut diagnostics = Diagnostics::default();
    let raw = RawRemote::read(tokens);
    let crate_path = match &raw.crate_path {
        Some(path) => path.validate(&mut diagnostics),
        None => CratePath::default(),
    };
    let name = raw.name.as_ref().and_then(|name| {
        let place: Expr = syn::parse_quote!(#name);
        let written = |like: &str| format!("in \"{like}\"");
        checked_service_name(&Text { value: name.value(), place }, written, &mut diagnostics)
    });
    if let Some(error) = &raw.error {
        diagnostics.error_at(Rule::RemoteForm, error.span(), error, format!("write {FORM}"));
    }
    let entries = entry::read(raw.entries.clone(), &mut diagnostics);
    let Some(ty) = &raw.ty else { return Expansion::new(TokenStream::new(), diagnostics) };
    let tokens = remote(&raw, ty, name.as_deref().unwrap_or_default(), &entries, &crate_path);
    Expansion::new(tokens, diagnostics)
}

impl RawRemote {
    fn read(tokens: TokenStream) -> Self {
        let mut raw = Self::default();
        // What is left after an error is no second one.
        let read = |input: ParseStream| {
            raw.error = raw.parse(input).err();
            input.step(|cursor| {
                let mut rest = *cursor;
                while let Some((_, next)) = rest.token_tree() {
                    rest = next;
                }
                Ok(((), rest))
            })
        };
        let left = read.parse2(tokens).err();
        raw.error = raw.error.or(left);
        raw
    }

    fn parse(&mut self, input: ParseStream) -> syn::Result<()> {
        if input.peek(Token![crate]) && input.peek2(Token![=]) {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            self.crate_path = Some(RawCratePath::new(input.call(Path::parse_mod_style)?));
            input.parse::<Token![,]>()?;
        }
        self.attributes = input.call(Attribute::parse_outer)?;
        self.visibility = Some(input.parse()?);
        self.ty = Some(input.parse()?);
        input.parse::<Token![in]>()?;
        self.name = Some(input.parse()?);
        let entries;
        braced!(entries in input);
        self.entries = entries.parse()?;
        match input.fork().parse::<TokenTree>() {
            Ok(left) => Err(syn::Error::new(left.span(), "nothing follows the capabilities")),
            Err(_) => Ok(()),
        }
    }
}

fn remote(raw: &RawRemote, ty: &Ident, name: &str, entries: &[Entry], crate_path: &CratePath) -> TokenStream {
    let RawRemote { attributes, visibility, .. } = raw;
    let private = crate_path.private();
    let doc = doc_unless_written(attributes, || format!(" The service `{name}`, of another program."));
    let has_derives = attributes.iter().any(|attribute| attribute.path().is_ident("derive"));
    let debug = (!has_derives).then(|| quote!(#[derive(::core::fmt::Debug)]));
    let constants = entries.iter().map(|entry| {
        let Entry { attributes, constant, request, reply, .. } = entry;
        let (name, version) = (entry.name.as_deref().unwrap_or_default(), entry.version.unwrap_or(1));
        let doc = doc_unless_written(attributes, || format!(" Calls `{name}` version {version}."));
        let (address, marks) = (entry.address(raw.name.as_ref()), entry.marks());
        quote! {
            #(#attributes)* #doc
            #visibility const #constant: __hecate::Capability<#ty, #request, #reply> =
                __hecate::Capability::new(#address)#marks;
        }
    });
    let closed = entries.iter().filter_map(Entry::closed);
    let closed: Vec<_> = closed.collect();
    let closed = (!closed.is_empty()).then(|| {
        quote! {
            const CLOSED: &'static [(&'static ::core::primitive::str, ::core::primitive::u16)] = &[#(#closed),*];
        }
    });
    // A type without values: there is nothing of it here but its name.
    quote! {
        #(#attributes)* #doc #debug
        #visibility enum #ty {}
        const _: () = {
            use #private as __hecate;
            #[automatically_derived]
            #[allow(deprecated)]
            impl __hecate::Provider for #ty {
                const NAME: &'static ::core::primitive::str = #name;
                #closed
            }
            #[allow(dead_code, deprecated, private_interfaces, clippy::all)]
            impl #ty { #(#constants)* }
        };
    }
}

fn doc_unless_written(attributes: &[Attribute], text: impl FnOnce() -> String) -> Option<TokenStream> {
    let is_written = attributes.iter().any(|attribute| attribute.path().is_ident("doc"));
    (!is_written).then(|| {
        let text = text();
        quote!(#[doc = #text])
    })
}
