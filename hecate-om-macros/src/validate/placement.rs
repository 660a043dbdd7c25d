//! Where a service block stands, and that all in it can be seen by the macro.

use quote::ToTokens;
use syn::{GenericArgument, GenericParam, ImplItem, Path, PathArguments, Type};

use super::types::{is_primitive, last_segment, spelled, type_arguments, ungrouped_type};
use crate::diagnostics::{Diagnostics, Rule};
use crate::parse::{Block, BlockItem, attributes_of, is_capability};

/// Checks what the block is of, and what stands in it besides methods.
pub(super) fn check(block: &Block, diagnostics: &mut Diagnostics) {
    let name = spelled(&block.self_type);
    if let Some(of_trait) = &block.of_trait {
        let what =
            format!("`#[hecate_service]` needs an inherent `impl`, found `impl {} for {name}`", spelled(of_trait));
        diagnostics.error(Rule::InherentImpl, of_trait, what, format!("write `impl {name} {{ .. }}`"));
    }
    check_type(&block.self_type, diagnostics);
    check_parameters(block, &name, diagnostics);
    check_items(block, diagnostics);
}

fn check_type(self_type: &Type, diagnostics: &mut Diagnostics) {
    let inner = meant(self_type);
    if inner.is_none() && matches!(ungrouped_type(self_type), Type::Path(_)) && !is_primitive(self_type) {
        return;
    }
    let what = format!("a service is a struct or an enum of your own, found `{}`", spelled(self_type));
    let help = match inner {
        Some(inner) => format!("write `impl {} {{ .. }}`", spelled(inner)),
        None => "write `struct Greeter { .. }` and `impl Greeter { .. }`".to_owned(),
    };
    diagnostics.error(Rule::NamedService, self_type, what, help);
}

/// The type that was meant where a block is of a pointer to it.
pub(crate) fn meant(self_type: &Type) -> Option<&Type> {
    match ungrouped_type(self_type) {
        Type::Reference(reference) => Some(meant(&reference.elem).unwrap_or(&reference.elem)),
        ty => {
            let is_pointer = last_segment(ty).is_some_and(|name| name == "Arc" || name == "Rc");
            is_pointer.then(|| type_arguments(ty).first().copied()).flatten()
        }
    }
}

fn check_parameters(block: &Block, name: &str, diagnostics: &mut Diagnostics) {
    let mut borrowed = |place: &dyn ToTokens| {
        let what = format!("service `{name}` cannot borrow: it lives as long as its process");
        diagnostics.error(Rule::OwnedService, place, what, "own the data, or share it in an `Arc`");
    };
    for parameter in &block.generics.params {
        if let GenericParam::Lifetime(parameter) = parameter {
            borrowed(&parameter.lifetime);
        }
    }
    // `impl Greeter<'_>` names no parameter of the block.
    if let Type::Path(path) = ungrouped_type(&block.self_type) {
        let arguments = path.path.segments.iter().filter_map(|segment| match &segment.arguments {
            PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
            _ => None,
        });
        for argument in arguments.flatten() {
            if let GenericArgument::Lifetime(lifetime) = argument
                && lifetime.ident == "_"
            {
                borrowed(lifetime);
            }
        }
    }
    for parameter in &block.generics.params {
        let place = match parameter {
            GenericParam::Type(parameter) => &parameter.ident,
            GenericParam::Const(parameter) => &parameter.ident,
            GenericParam::Lifetime(_) => continue,
        };
        let what = format!("service `{name}` cannot be generic: its manifest must name one type");
        let help = match parameter {
            GenericParam::Const(_) => "write the value, or keep it in a field",
            _ => "write a concrete type, or keep a `Box<dyn ..>` in a field",
        };
        diagnostics.error(Rule::ConcreteService, place, what, help);
    }
}

fn check_items(block: &Block, diagnostics: &mut Diagnostics) {
    for item in &block.items {
        let BlockItem::Other(other) = item else { continue };
        if let Some(called) = called(other) {
            let what = "a macro call in a service block is expanded too late: its capabilities would be missed";
            let help = "let the macro write the whole `#[hecate_service] impl`, or call it in another block";
            diagnostics.error(Rule::NoMacroCalls, called, what, help);
        }
        for attribute in attributes_of(other).iter().filter(|attribute| is_capability(attribute)) {
            let what = "`#[capability]` goes on a method";
            diagnostics.error(Rule::CapabilityOnMethod, attribute, what, "write it above an `async fn`");
        }
    }
}

fn called(item: &ImplItem) -> Option<&Path> {
    match item {
        ImplItem::Macro(call) => Some(&call.mac.path),
        _ => None,
    }
}
