//! `#[hecate_service]`, from tokens to tokens: parse, validate, expand; a stub where that fails.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Ident, Item, ItemFn, Type};

use crate::arguments::{self, Read, SERVICE_KEYS, ServiceArguments, TypeName};
use crate::crate_path::CratePath;
use crate::diagnostics::{Diagnostics, Expansion, Rule};
use crate::expand;
use crate::manifest::ManifestText;
use crate::model::{Handler, Use};
use crate::package::Package;
use crate::parse::Block;
use crate::stub::Stub;
use crate::validate;
use crate::validate::types::{first_span, is_primitive, ungrouped_type};

/// Expands a service block. Whatever is wrong, the author's own code comes out of it again.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream, package: &Package) -> Expansion {
    let mut diagnostics = Diagnostics::default();
    let arguments: Read<ServiceArguments> = arguments::read(arguments, &SERVICE_KEYS, &mut diagnostics);
    let crate_path = match &arguments.crate_path {
        Some(path) => path.validate(&mut diagnostics),
        None => CratePath::default(),
    };
    let block: Block = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            let stub = misplaced(&item, &crate_path, &mut diagnostics).unwrap_or_else(|| {
                diagnostics.foreign(Rule::Readable, error);
                TokenStream::new()
            });
            return Expansion::new(quote!(#item #stub), diagnostics);
        }
    };
    let found = validate::service(&arguments, &block, &crate_path, package, &mut diagnostics);
    match found.service.filter(|_| diagnostics.is_empty()) {
        Some(service) => {
            let manifest = ManifestText::of(&service);
            if let Some(lock) = &package.lock {
                lock.check(&service, &mut diagnostics);
            }
            // What does not keep its lock is whole all the same: nothing else is to be told of it.
            let mut expansion = Expansion::new(expand::service(&block, &service, &manifest), diagnostics);
            expansion.manifest = Some(manifest).filter(|_| expansion.diagnostics.is_empty());
            expansion
        }
        None => {
            let tokens = in_place(block, found.handlers, &found.uses, &crate_path, arguments.settings.as_ref());
            Expansion::new(tokens, diagnostics)
        }
    }
}

/// The author's own code where the block has errors, and a stub for all that is missing.
fn in_place(
    mut block: Block,
    handlers: Vec<Handler>,
    uses: &[Use],
    crate_path: &CratePath,
    settings: Option<&TypeName>,
) -> TokenStream {
    block.mend();
    let self_type = &block.self_type;
    let has_methods = matches!(ungrouped_type(self_type), Type::Path(_) | Type::TraitObject(_));
    if !has_methods || is_primitive(self_type) {
        // rustc would tell of the type a second time.
        return TokenStream::new();
    }
    let calls = if block.of_trait.is_none() { block.take_macro_calls() } else { Vec::new() };
    let calls = (!calls.is_empty()).then(|| {
        let (private, self_type, (parameters, _, clauses)) =
            (crate_path.private(), &block.self_type, block.generics.split_for_impl());
        // A capability that a macro call brings would call itself misplaced: it is told already.
        quote! {
            #[allow(unused_imports)]
            const _: () = {
                use #private::told_capability as capability;
                impl #parameters #self_type #clauses { #(#calls)* }
            };
        }
    });
    let stub = Stub::of_block(&block, crate_path, settings, handlers);
    let uses = stub.as_ref().map(|_| expand::uses(uses, &block.self_type, &crate_path.private()));
    let names = expand::attribute_names(&block, |path| path.is_ident("capability"));
    quote!(#[allow(dead_code)] #block #calls #stub #uses #names)
}

/// Tells what the attribute was put on, if that is an item, and gives a stub for it.
fn misplaced(item: &TokenStream, crate_path: &CratePath, diagnostics: &mut Diagnostics) -> Option<TokenStream> {
    let item = syn::parse2::<Item>(item.clone()).ok()?;
    let (kind, place) = kind_of(&item);
    let what = format!("`#[hecate_service]` goes on the `impl` block of a service, found {kind}");
    let (help, named) = match item {
        Item::Struct(item) => (format!("move it to `impl {} {{ .. }}`", item.ident), Some((item.ident, item.generics))),
        Item::Enum(item) => (format!("move it to `impl {} {{ .. }}`", item.ident), Some((item.ident, item.generics))),
        Item::Union(item) => (format!("move it to `impl {} {{ .. }}`", item.ident), Some((item.ident, item.generics))),
        Item::Fn(item) => {
            let help =
                format!("make `{}` a method with `#[capability(version = 1)]`, and move it there", item.sig.ident);
            (help, None)
        }
        _ => ("write it above `impl Greeter { .. }`, where `Greeter` is a struct of your own".to_owned(), None),
    };
    diagnostics.error(Rule::ServiceOnImpl, place, what, help);
    Some(named.map_or_else(TokenStream::new, |(name, generics)| {
        Stub::of_type(&name, &generics, crate_path).to_token_stream()
    }))
}

/// What an item is, and the keyword that says so.
pub(crate) fn kind_of(item: &Item) -> (&'static str, TokenStream) {
    match item {
        Item::Const(item) => ("a constant", item.const_token.to_token_stream()),
        Item::Enum(item) => ("an enum", item.enum_token.to_token_stream()),
        Item::Fn(item) => ("a function", item.sig.fn_token.to_token_stream()),
        Item::Impl(item) => ("an `impl` block", item.impl_token.to_token_stream()),
        Item::Macro(item) => ("a macro call", item.mac.path.to_token_stream()),
        Item::Mod(item) => ("a module", item.mod_token.to_token_stream()),
        Item::Static(item) => ("a static", item.static_token.to_token_stream()),
        Item::Struct(item) => ("a struct", item.struct_token.to_token_stream()),
        Item::Trait(item) => ("a trait", item.trait_token.to_token_stream()),
        Item::Type(item) => ("a type alias", item.type_token.to_token_stream()),
        Item::Union(item) => ("a union", item.union_token.to_token_stream()),
        Item::Use(item) => ("an import", item.use_token.to_token_stream()),
        other => ("another item", other.to_token_stream()),
    }
}

/// `#[capability]` where rustc expands it: nothing where a service block left it, else misplaced.
pub(crate) fn lone_capability(arguments: TokenStream, item: TokenStream) -> Expansion {
    let mut diagnostics = Diagnostics::default();
    if syn::parse2::<Ident>(arguments).is_ok_and(|argument| argument == expand::TAKEN) {
        return Expansion::new(TokenStream::new(), diagnostics);
    }
    let what = "`#[capability]` is only meaningful inside a `#[hecate_service]` block";
    let help = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) if function.sig.receiver().is_none() => format!(
            "make `{0}` a method, `async fn {0}(&self, ..)`, of a block with `#[hecate_service(name = \"hecate-...\")]`",
            function.sig.ident
        ),
        _ => "write `#[hecate_service(name = \"hecate-...\")]` above the `impl` block".to_owned(),
    };
    // At the attribute, as if its author had written the error there: else rustc adds a note on macros.
    let place = Span::call_site().resolved_at(first_span(&item));
    diagnostics.error_at(Rule::CapabilityInService, place, what, help);
    Expansion::new(item, diagnostics)
}
