//! `#[hecate_service]`, from tokens to tokens: parse, validate, expand; a stub where that fails.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Item;

use crate::arguments::{self, SERVICE_KEYS, ServiceArguments};
use crate::crate_path::CratePath;
use crate::diagnostics::{Diagnostics, Expansion, Rule};
use crate::expand;
use crate::manifest::ManifestText;
use crate::package::Package;
use crate::parse::Block;
use crate::stub::Stub;
use crate::validate;

/// Expands a service block. Whatever is wrong, the author's own code comes out of it again.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream, package: &Package) -> Expansion {
    let mut diagnostics = Diagnostics::default();
    let arguments: ServiceArguments = arguments::read(arguments, &SERVICE_KEYS, &mut diagnostics);
    let crate_path = match &arguments.crate_path {
        Some(path) => path.validate(&mut diagnostics),
        None => CratePath::default(),
    };
    if let Some(stub) = misplaced(&item, &crate_path, &mut diagnostics) {
        return Expansion::new(quote!(#item #stub), diagnostics);
    }
    let block: Block = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            diagnostics.foreign(Rule::Readable, error);
            return Expansion::new(item, diagnostics);
        }
    };
    let found = validate::service(&arguments, &block, &crate_path, package, &mut diagnostics);
    match found.service.filter(|_| diagnostics.is_empty()) {
        Some(service) => {
            let manifest = ManifestText::of(&service);
            let mut expansion = Expansion::new(expand::service(&block, &service, &manifest), diagnostics);
            expansion.manifest = Some(manifest);
            expansion
        }
        None => {
            let stub = Stub::of_block(&block, &crate_path, found.handlers);
            Expansion::new(quote!(#[allow(dead_code)] #block #stub), diagnostics)
        }
    }
}

/// Tells what the attribute was put on, if that is no `impl` block.
fn misplaced(item: &TokenStream, crate_path: &CratePath, diagnostics: &mut Diagnostics) -> Option<TokenStream> {
    // A block parses here too, though not without its bodies; that is only for the rare failure.
    if syn::parse2::<Block>(item.clone()).is_ok() {
        return None;
    }
    let (kind, place, named) = match syn::parse2::<Item>(item.clone()).ok()? {
        Item::Struct(item) => ("a struct", item.struct_token.to_token_stream(), Some((item.ident, item.generics))),
        Item::Enum(item) => ("an enum", item.enum_token.to_token_stream(), Some((item.ident, item.generics))),
        Item::Union(item) => ("a union", item.union_token.to_token_stream(), Some((item.ident, item.generics))),
        Item::Fn(item) => ("a function", item.sig.fn_token.to_token_stream(), None),
        Item::Mod(item) => ("a module", item.mod_token.to_token_stream(), None),
        Item::Trait(item) => ("a trait", item.trait_token.to_token_stream(), None),
        other => ("another item", other.to_token_stream(), None),
    };
    let name = named.as_ref().map_or_else(|| "Greeter".to_owned(), |(name, _)| name.to_string());
    let what = format!("`#[hecate_service]` goes on the `impl` block of a service, found {kind}");
    diagnostics.error(Rule::ServiceOnImpl, place, what, format!("move it to `impl {name} {{ .. }}`"));
    Some(named.map_or_else(TokenStream::new, |(name, generics)| {
        Stub::of_type(&name, &generics, crate_path).to_token_stream()
    }))
}

/// `#[capability]` where no service block took it.
pub(crate) fn stray_capability(item: TokenStream) -> Expansion {
    let mut diagnostics = Diagnostics::default();
    let what = "`#[capability]` is only meaningful inside a `#[hecate_service]` block";
    let help = "write `#[hecate_service(name = \"hecate-...\")]` above the `impl` block";
    diagnostics.error(Rule::CapabilityInService, TokenStream::new(), what, help);
    Expansion::new(item, diagnostics)
}
