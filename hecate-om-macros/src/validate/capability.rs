//! The capabilities of a block: names, versions, timeouts, and that none is declared twice.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{Attribute, Meta};

use super::callbacks::is_callback;
use super::{check_not_blank, handler, in_u16, spelled};
use crate::arguments::{self, CAPABILITY_KEYS, CapabilityArguments, Text};
use crate::crate_path::CratePath;
use crate::diagnostics::{Diagnostics, Rule};
use crate::docs::Doc;
use crate::model::{Capability, Handler, MAX_TIMEOUT_MS, TIMEOUT_MS};
use crate::names::{is_snake, snake_like};
use crate::parse::{Block, Method, is_capability};

/// The longest name, in bytes: a procedure on the mesh has 512, and carries org and version as well.
const MAX_NAME: usize = 128;

/// What every service answers itself.
const RESERVED: [&str; 4] = ["info", "describe", "get_limits", "set_limits"];

/// Reads the capabilities of a block. `scope` is missing where the service's name is.
pub(super) fn read(
    block: &Block,
    scope: Option<&str>,
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
        let handler = handler::read(method, diagnostics);
        if let Some(handler) = &handler {
            check_constant(handler, &handlers, diagnostics);
            handlers.push(handler.clone());
        }
        let Some((name, version, declared)) = head(attribute, method, scope, diagnostics) else { continue };
        let Declared { description, timeout_ms, deprecated } = declared;
        if let Some((.., first)) = places.iter().find(|(other, number, _)| (other, number) == (&name, &version)) {
            report_twice(&name, version, first, &method.signature.ident, diagnostics);
        }
        places.push((name.clone(), version, &method.signature.ident));
        if let Some(handler) = handler {
            capabilities.push(Capability { name, version, description, timeout_ms, deprecated, handler });
        }
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
    for attribute in method.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg_attr")) {
        let Meta::List(list) = &attribute.meta else { continue };
        let names_capability = list.tokens.clone().into_iter().any(|token| token.to_string() == "capability");
        if names_capability {
            let what = format!(
                "capability `{}` cannot be conditional: the manifest is written before `cfg_attr` is decided",
                method.signature.ident
            );
            diagnostics.error(
                Rule::UnconditionalCapability,
                attribute,
                what,
                "write `#[capability(..)]`, or put a `cfg` on the whole block",
            );
        }
    }
}

fn check_constant(handler: &Handler, before: &[Handler], diagnostics: &mut Diagnostics) {
    if let Some(other) =
        before.iter().find(|other| other.constant == handler.constant && other.method != handler.method)
    {
        let what = format!("`{}` and `{}` both make the constant `{}`", other.method, handler.method, handler.constant);
        diagnostics.error(Rule::UniqueConstant, &handler.method, what, "rename one of the methods");
    }
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

/// What an author says of a capability besides its name and version.
struct Declared {
    description: String,
    timeout_ms: u64,
    deprecated: Option<String>,
}

fn head(
    attribute: &Attribute,
    method: &Method,
    scope: Option<&str>,
    diagnostics: &mut Diagnostics,
) -> Option<(String, u16, Declared)> {
    let tokens = match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        Meta::Path(_) => proc_macro2::TokenStream::new(),
        Meta::NameValue(pair) => {
            let what = "`#[capability]` takes its arguments in parentheses";
            diagnostics.error(Rule::ArgumentValue, &pair.value, what, "write `#[capability(version = 1)]`");
            return None;
        }
    };
    let before = diagnostics.len();
    let arguments: CapabilityArguments = arguments::read(tokens, &CAPABILITY_KEYS, diagnostics);
    // A version that could not be read is told already; that it is missing would be a second, false error.
    let readable = diagnostics.len() == before;
    let version = version(&arguments, readable, attribute, method, diagnostics);
    let name = name(&arguments, scope, method, diagnostics);
    let timeout_ms = arguments.timeout.as_ref().map_or(Some(TIMEOUT_MS), |timeout| timeout_ms(timeout, diagnostics));
    if let Some(deprecated) = &arguments.deprecated {
        check_not_blank(deprecated, diagnostics);
    }
    let doc = Doc::of(&method.attributes);
    if let Some(unreadable) = doc.unreadable {
        let what = "this doc comment is no literal, so the manifest cannot hold it";
        diagnostics.error(Rule::LiteralDoc, unreadable, what, "write what the capability does in `///` lines");
    }
    let deprecated = arguments.deprecated.map(|why| why.value);
    Some((name?, version?, Declared { description: doc.text, timeout_ms: timeout_ms?, deprecated }))
}

fn version(
    arguments: &CapabilityArguments,
    readable: bool,
    attribute: &Attribute,
    method: &Method,
    diagnostics: &mut Diagnostics,
) -> Option<u16> {
    let Some(version) = &arguments.version else {
        if readable {
            let what = format!("capability `{}` has no version", method.signature.ident);
            diagnostics.error(
                Rule::CapabilityVersion,
                attribute,
                what,
                "add `version = 1`: callers ask for a name and a version",
            );
        }
        return None;
    };
    let checked = in_u16(version);
    if checked.is_none() {
        let what = format!("a version is a whole number from 1 to 65535, found `{}`", spelled(&version.place));
        diagnostics.error(
            Rule::VersionRange,
            &version.place,
            what,
            "write `version = 1`, and count up with each change that breaks callers",
        );
    }
    checked
}

fn name(
    arguments: &CapabilityArguments,
    scope: Option<&str>,
    method: &Method,
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    let ident = &method.signature.ident;
    let plain = ident.unraw().to_string();
    let Some(written) = &arguments.name else {
        if !is_snake(&plain) {
            let what = format!("method `{plain}` cannot give its capability a name: it is not lower snake");
            diagnostics.error(
                Rule::DottedName,
                ident,
                what,
                format!("rename it to `{}`, or add `name = \"...\"`", snake_like(&plain, "answer")),
            );
            return None;
        }
        let name = format!("{}.{plain}", scope?);
        return check_parts(&name, ident, scope, diagnostics).then_some(name);
    };
    let Text { value, place } = written;
    if !value.split('.').all(is_snake) || !value.contains('.') {
        let parts: Vec<_> =
            value.split('.').filter(|part| !part.is_empty()).map(|part| snake_like(part, "answer")).collect();
        let like = match (parts.as_slice(), scope) {
            ([], _) => format!("{}.{}", scope.unwrap_or("scope"), snake_like(&plain, "answer")),
            ([one], Some(scope)) => format!("{scope}.{one}"),
            _ => parts.join("."),
        };
        let what = format!(
            "capability name `{value}` is not dotted lower snake: `scope.verb`, lower-case letters, digits and `_`"
        );
        diagnostics.error(Rule::DottedName, place, what, format!("`name = \"{like}\"`"));
        return None;
    }
    check_parts(value, place, scope, diagnostics).then(|| value.clone())
}

fn check_parts(name: &str, place: &impl quote::ToTokens, scope: Option<&str>, diagnostics: &mut Diagnostics) -> bool {
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    let last = name.rsplit('.').next().unwrap_or(name);
    if let Some(scope) = scope.filter(|scope| *scope != first) {
        let what = format!("capability `{name}` does not start with the scope of its service, `{scope}`");
        diagnostics.error(
            Rule::NameInScope,
            place,
            what,
            format!("`name = \"{scope}.{rest}\"`, or `scope = \"{first}\"` on the service"),
        );
        return false;
    }
    if RESERVED.contains(&last) {
        let what = format!("capability name `{name}` is reserved: every service answers `{last}` itself");
        diagnostics.error(Rule::ReservedName, place, what, format!("pick another, such as `{name}_of`"));
        return false;
    }
    if name.len() > MAX_NAME {
        let what = format!("capability name is {} bytes long, the limit is {MAX_NAME}", name.len());
        diagnostics.error(Rule::ShortName, place, what, "shorten it");
        return false;
    }
    true
}

fn timeout_ms(timeout: &Text, diagnostics: &mut Diagnostics) -> Option<u64> {
    let text = timeout.value.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => {
            let like = if number.is_empty() { "5s".to_owned() } else { format!("{number}s") };
            let what = format!("timeout `{text}` is not a whole number with a unit: `ms`, `s` or `m`");
            diagnostics.error(Rule::TimeoutForm, &timeout.place, what, format!("`timeout = \"{like}\"`"));
            return None;
        }
    };
    let Ok(count) = number.parse::<u64>() else {
        let what = format!("timeout `{text}` is not a whole number with a unit: `ms`, `s` or `m`");
        diagnostics.error(Rule::TimeoutForm, &timeout.place, what, "`timeout = \"5s\"`");
        return None;
    };
    let millis = count.saturating_mul(factor);
    if (1..=MAX_TIMEOUT_MS).contains(&millis) {
        return Some(millis);
    }
    let what = format!("timeout `{text}` is out of range: 1ms to {}s", MAX_TIMEOUT_MS / 1000);
    diagnostics.error(
        Rule::TimeoutRange,
        &timeout.place,
        what,
        "give work that takes longer an id, and a second capability that asks for its result",
    );
    None
}
