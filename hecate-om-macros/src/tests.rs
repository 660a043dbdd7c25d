//! What holds of the macros as a whole: their output, its size, and that every rule has its case.

mod budget;
mod cases;
mod expansions;
mod mutations;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Item, TraitItem};

use crate::diagnostics::{Diagnostics, Expansion};
use crate::package::Package;

/// A package whose facts do not change with this one's.
fn package() -> Package {
    Package {
        crate_name: "greeter".to_owned(),
        version: "1.2.3".to_owned(),
        description: Some("Greets people".to_owned()),
        license: Some("Apache-2.0".to_owned()),
        repository: None,
        lock: None,
    }
}

/// Expands every one of our macros in the items of a file.
fn expand_items(items: Vec<Item>, package: &Package) -> Vec<Expansion> {
    items.into_iter().flat_map(|item| expand_item(item, package)).collect()
}

fn expand_item(mut item: Item, package: &Package) -> Vec<Expansion> {
    if let Item::Mod(module) = &mut item
        && module.attrs.is_empty()
    {
        let inner = module.content.take().map(|(_, items)| items).unwrap_or_default();
        return expand_items(inner, package);
    }
    if let Item::Macro(call) = &item
        && call.mac.path.segments.last().is_some_and(|last| last.ident == "remote_service")
    {
        return vec![crate::remote::expand(call.mac.tokens.clone())];
    }
    let Some(attributes) = attributes_of(&mut item) else {
        return vec![Expansion::new(item.into_token_stream(), Diagnostics::default())];
    };
    let derives_refusal = attributes.iter().any(|attribute| {
        attribute.path().is_ident("derive") && attribute.to_token_stream().to_string().contains("Refusal")
    });
    let ours = attributes.iter().position(|attribute| {
        ["hecate_service", "capability", "message", "settings"]
            .iter()
            .any(|name| attribute.path().segments.last().is_some_and(|last| last.ident == name))
    });
    let mut expansions = Vec::new();
    match ours.map(|index| attributes.remove(index)) {
        Some(attribute) => {
            let arguments = attribute.meta.require_list().map(|list| list.tokens.clone()).unwrap_or_default();
            let name = attribute.path().segments.last().unwrap().ident.to_string();
            expansions.push(match name.as_str() {
                "hecate_service" => crate::service::expand(arguments, item.clone().into_token_stream(), package),
                "settings" => crate::settings::expand(arguments, item.clone().into_token_stream()),
                "message" => crate::message::expand(arguments, item.clone().into_token_stream()),
                _ => crate::service::lone_capability(arguments, item.clone().into_token_stream()),
            });
        }
        None => {
            expansions.extend(lone_capabilities(&item));
            expansions.push(Expansion::new(item.clone().into_token_stream(), Diagnostics::default()));
        }
    }
    if derives_refusal {
        expansions.push(crate::refusal::expand(item.into_token_stream()));
    }
    expansions
}

/// Expands the `#[capability]`s that no service block takes.
fn lone_capabilities(item: &Item) -> Vec<Expansion> {
    let methods: Vec<(&[Attribute], TokenStream)> = match item {
        Item::Impl(block) => {
            block.items.iter().map(|item| (crate::parse::attributes_of(item), item.to_token_stream())).collect()
        }
        Item::Trait(item) => {
            let methods = item.items.iter().filter_map(|item| match item {
                TraitItem::Fn(method) => Some((method.attrs.as_slice(), method.to_token_stream())),
                _ => None,
            });
            methods.collect()
        }
        _ => Vec::new(),
    };
    let lone = methods.into_iter().filter(|(attributes, _)| attributes.iter().any(crate::parse::is_capability));
    lone.map(|(_, method)| crate::service::lone_capability(TokenStream::new(), method)).collect()
}

fn attributes_of(item: &mut Item) -> Option<&mut Vec<Attribute>> {
    Some(match item {
        Item::Struct(item) => &mut item.attrs,
        Item::Enum(item) => &mut item.attrs,
        Item::Mod(item) => &mut item.attrs,
        Item::Union(item) => &mut item.attrs,
        Item::Fn(item) => &mut item.attrs,
        Item::Impl(item) => &mut item.attrs,
        Item::Trait(item) => &mut item.attrs,
        Item::Type(item) => &mut item.attrs,
        Item::Const(item) => &mut item.attrs,
        _ => return None,
    })
}

/// Tokens as a person would write them.
fn pretty(tokens: TokenStream) -> String {
    prettyplease::unparse(&syn::parse2(tokens).expect("macros write items"))
}
