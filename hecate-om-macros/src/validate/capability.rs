//! The capabilities of a block: that each is one, always, and none is declared twice.

use proc_macro2::Ident;
use syn::Attribute;

use super::callbacks::is_callback;
use super::declared::{self, Declared};
use super::handler;
use super::types::spelled;
use crate::crate_path::CratePath;
use crate::diagnostics::{Diagnostics, Rule};
use crate::model::{Access, Capability, Handler};
use crate::parse::{Block, Method, conditional, is_capability, names_capability};

/// The constant of every service.
const MANIFEST: &str = "MANIFEST";

/// Reads the capabilities of a block. `scope` is missing where the service's name is; `default` is who
/// may call those that do not say.
pub(super) fn read(
    block: &Block,
    scope: Option<&str>,
    default: &Access,
    crate_path: &CratePath,
    diagnostics: &mut Diagnostics,
) -> (Vec<Handler>, Vec<Capability>) {
    let (mut handlers, mut capabilities) = (Vec::new(), Vec::new());
    let mut places: Vec<(String, u16, &Ident)> = Vec::new();
    for method in block.methods() {
        check_cfg_attr(method, diagnostics);
        let Some(attribute) = own_attribute(method, crate_path, diagnostics) else { continue };
        if is_callback(&method.signature.ident.to_string()) {
            continue;
        }
        check_cfg(method, diagnostics);
        let handler = handler::read(method, &block.self_type, diagnostics);
        check_constant(&handler, &handlers, block, diagnostics);
        handlers.push(handler.clone());
        let Some(declared) = declared::read(attribute, method, scope, default, diagnostics) else { continue };
        let Declared { name, version, .. } = &declared;
        if let Some((.., first)) = places.iter().find(|(other, number, _)| (other, number) == (name, version)) {
            report_twice(name, *version, first, &method.signature.ident, diagnostics);
        }
        places.push((name.clone(), *version, &method.signature.ident));
        let Declared { name, version, description, access, timeout_ms, limits, .. } = declared;
        let Declared { confidential, is_idempotent, is_cancelled_on_disconnect, deprecated, .. } = declared;
        capabilities.push(Capability {
            name,
            version,
            description,
            access,
            timeout_ms,
            limits,
            confidential,
            is_idempotent,
            is_cancelled_on_disconnect,
            deprecated,
            handler,
        });
    }
    (handlers, capabilities)
}

/// The one `#[capability]` of a method.
fn own_attribute<'a>(
    method: &'a Method,
    crate_path: &CratePath,
    diagnostics: &mut Diagnostics,
) -> Option<&'a Attribute> {
    let mut found = method.attributes.iter().filter(|attribute| is_capability(attribute));
    let first = found.next()?;
    for second in found {
        let what = format!("`#[capability]` is given twice on `{}`", method.signature.ident);
        diagnostics.error(
            Rule::CapabilityOnce,
            second,
            what,
            "one handler answers one version: write a second method, which may call the first",
        );
    }
    let path = spelled(first.path());
    let root = spelled(crate_path.root());
    let ours = path.strip_suffix("capability").map(|module| module.trim_start_matches("::"));
    let modules = [String::new(), format!("{root}::"), format!("{root}::prelude::")];
    if !modules.iter().any(|module| Some(module.trim_start_matches("::")) == ours) {
        let what = format!("`#[{path}]` is not known to be Hecate's `capability`");
        diagnostics.error(Rule::OurCapability, first.path(), what, "write `#[capability(..)]`");
    }
    Some(first)
}

fn check_cfg(method: &Method, diagnostics: &mut Diagnostics) {
    if let Some(cfg) = method.attributes.iter().find(|attribute| attribute.path().is_ident("cfg")) {
        let what = format!(
            "capability `{}` cannot be conditional: the manifest is written before `cfg` is decided",
            method.signature.ident
        );
        diagnostics.error(
            Rule::UnconditionalCapability,
            cfg,
            what,
            "put the `cfg` on the whole block, or on statements inside the method",
        );
    }
}

fn check_cfg_attr(method: &Method, diagnostics: &mut Diagnostics) {
    let is_declared = method.attributes.iter().any(is_capability);
    for attribute in method.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg_attr")) {
        if names_capability(attribute)
            || is_declared && conditional(&attribute.meta).iter().any(|inner| inner.path().is_ident("cfg"))
        {
            let what = format!(
                "capability `{}` cannot be conditional: the manifest is written before `cfg_attr` is decided",
                method.signature.ident
            );
            let help = if is_declared {
                "put a `cfg` on the whole block"
            } else {
                "write `#[capability(..)]`, or put a `cfg` on the whole block"
            };
            diagnostics.error(Rule::UnconditionalCapability, attribute, what, help);
        }
    }
}

fn check_constant(handler: &Handler, before: &[Handler], block: &Block, diagnostics: &mut Diagnostics) {
    let Handler { method, constant, .. } = handler;
    let (what, help) =
        if let Some(other) = before.iter().find(|other| other.constant == *constant && other.method != *method) {
            let what = format!("`{}` and `{method}` both make the constant `{constant}`", other.method);
            (what, "rename one of the methods".to_owned())
        } else if constant == MANIFEST {
            let what = format!("`{method}` makes the constant `{MANIFEST}`, which every service has");
            (what, format!("rename the method, such as `show_{method}`"))
        } else if block.constants().any(|own| own == constant) {
            let what = format!("`{method}` makes the constant `{constant}`, which this block declares itself");
            (what, "rename the method or the constant".to_owned())
        } else {
            return;
        };
    diagnostics.error(Rule::UniqueConstant, method, what, help);
}

fn report_twice(name: &str, version: u16, first: &Ident, second: &Ident, diagnostics: &mut Diagnostics) {
    let next = version.saturating_add(1);
    let what = format!("capability `{name}` version {version} is declared twice");
    diagnostics.error(Rule::UniqueCapability, second, what, format!("raise the version of one: `version = {next}`"));
    diagnostics.error(
        Rule::UniqueCapability,
        first,
        "first declared here",
        format!("or give one of them another name: `name = \"{name}_too\"`"),
    );
}
