//! What an author says of a capability in its attribute: name, version, timeout, limits, deprecation.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Meta};

use super::head::{check_not_blank, checked_version};
use super::types::spelled;
use super::{access, confidential, limits};
use crate::arguments::{self, CAPABILITY_KEYS, CapabilityArguments, Read, Text};
use crate::diagnostics::{Diagnostics, Rule};
use crate::docs::Doc;
use crate::model::{Access, Confidential, Limits, MAX_TIMEOUT_MS, TIMEOUT_MS};
use crate::names::{is_dotted, is_snake, snake_like};
use crate::parse::Method;
use crate::reference::MAX_NAME;

/// What every service answers itself, and what an author may have meant by it.
const RESERVED: [(&str, &str); 4] =
    [("info", "facts"), ("describe", "explain"), ("get_limits", "show_limits"), ("set_limits", "change_limits")];

/// What is declared of a capability.
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) version: u16,
    pub(super) description: String,
    pub(super) access: Access,
    pub(super) timeout_ms: u64,
    pub(super) limits: Limits,
    pub(super) confidential: Confidential,
    pub(super) is_idempotent: bool,
    pub(super) is_cancelled_on_disconnect: bool,
    pub(super) deprecated: Option<String>,
}

/// Reads the attribute of a capability. `scope` is missing where the service's name is.
pub(super) fn read(
    attribute: &Attribute,
    method: &Method,
    scope: Option<&str>,
    default: &Access,
    diagnostics: &mut Diagnostics,
) -> Option<Declared> {
    let tokens = match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        Meta::Path(_) => TokenStream::new(),
        Meta::NameValue(pair) => {
            let what = "`#[capability]` takes its arguments in parentheses";
            let help = format!("write `#[capability(name = {}, version = 1)]`", spelled(&pair.value));
            diagnostics.error(Rule::ArgumentValue, &pair.value, what, help);
            return None;
        }
    };
    let arguments: Read<CapabilityArguments> = arguments::read(tokens, &CAPABILITY_KEYS, diagnostics);
    let version = version(&arguments, attribute, method, diagnostics);
    let name = name(&arguments, scope, method, diagnostics);
    let access = match &arguments.access {
        Some(written) => access(written, diagnostics),
        None => Some(default.clone()),
    };
    let timeout_ms = arguments.timeout.as_ref().map_or(Some(TIMEOUT_MS), |timeout| timeout_ms(timeout, diagnostics));
    let limits = limits::read(arguments.limits.as_ref(), diagnostics);
    let confidential = confidential::read(arguments.confidential.as_ref(), diagnostics);
    if let Some(deprecated) = &arguments.deprecated {
        check_not_blank("deprecated", deprecated, diagnostics);
    }
    let doc = Doc::of(&method.attributes);
    if let Some(unreadable) = doc.unreadable {
        let what = "this doc comment is no literal, so the manifest cannot hold it";
        diagnostics.error(Rule::LiteralDoc, unreadable, what, "write what the capability does in `///` lines");
    } else if doc.text.trim().is_empty() {
        let ident = &method.signature.ident;
        let what = format!("capability `{ident}` does not say what it does");
        diagnostics.error(Rule::CapabilityDescription, ident, what, "write `/// What it does.` above it");
    }
    Some(Declared {
        name: name?,
        version: version?,
        description: doc.text,
        access: access?,
        timeout_ms: timeout_ms?,
        limits: limits?,
        confidential: confidential?,
        is_idempotent: arguments.idempotent.is_some(),
        is_cancelled_on_disconnect: arguments.cancel_on_disconnect.is_some(),
        deprecated: arguments.deprecated.as_ref().map(|why| why.value.clone()),
    })
}

fn version(
    arguments: &Read<CapabilityArguments>,
    attribute: &Attribute,
    method: &Method,
    diagnostics: &mut Diagnostics,
) -> Option<u16> {
    let Some(version) = &arguments.version else {
        if !arguments.attempted("version") {
            let what = format!("capability `{}` has no version", method.signature.ident);
            let help = match &attribute.meta {
                Meta::List(list) if !list.tokens.is_empty() => "add `version = 1`",
                _ => "write `#[capability(version = 1)]`",
            };
            let place = attribute.path().to_token_stream();
            diagnostics.error(
                Rule::CapabilityVersion,
                place,
                what,
                format!("{help}: callers ask for a name and a version"),
            );
        }
        return None;
    };
    let help = "write `version = 1`, and count up with each change that breaks callers";
    checked_version(version, help, diagnostics)
}

fn name(
    arguments: &CapabilityArguments,
    scope: Option<&str>,
    method: &Method,
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    let ident = &method.signature.ident;
    let plain = ident.unraw().to_string();
    let Some(Text { value, place }) = &arguments.name else {
        if !is_snake(&plain) {
            let like = snake_like(&plain, "answer");
            let what = format!("method `{plain}` cannot give its capability a name: it is not lower snake");
            let help = format!("rename it to `{like}`, or add `name = \"{}.{like}\"`", scope.unwrap_or("scope"));
            diagnostics.error(Rule::DottedName, ident, what, help);
            return None;
        }
        let name = format!("{}.{plain}", scope?);
        let help = |like: &str| {
            format!("rename the method, such as `{like}`, or add `name = \"{}.{like}\"`", scope.unwrap_or("scope"))
        };
        return check_parts(&name, ident, scope, help, diagnostics).then_some(name);
    };
    let like = || format!("name = \"{}\"", dotted_like(value, scope, &plain));
    if !check_dotted(value, place, like, diagnostics) {
        return None;
    }
    let help = |like: &str| {
        let front = value.rsplit_once('.').map_or("scope", |(front, _)| front);
        format!("write another, such as `name = \"{front}.{like}\"`")
    };
    check_parts(value, place, scope, help, diagnostics).then(|| value.clone())
}

/// Tells of a name that is not dotted lower snake; `like` is what was probably meant.
pub(crate) fn check_dotted(
    name: &str,
    place: &impl ToTokens,
    like: impl FnOnce() -> String,
    diagnostics: &mut Diagnostics,
) -> bool {
    if is_dotted(name) {
        return true;
    }
    let what = if name.trim().is_empty() {
        "a capability name cannot be empty".to_owned()
    } else {
        format!("capability name `{name}` is not dotted lower snake: `scope.verb`, lower-case letters, digits and `_`")
    };
    diagnostics.error(Rule::DottedName, place, what, format!("write `{}`", like()));
    false
}

/// Tells of a name that is too long.
pub(crate) fn check_length(name: &str, place: &impl ToTokens, diagnostics: &mut Diagnostics) -> bool {
    if name.len() <= MAX_NAME {
        return true;
    }
    let what = format!("capability name is {} bytes long, the limit is {MAX_NAME}", name.len());
    diagnostics.error(Rule::ShortName, place, what, "shorten it");
    false
}

/// The dotted name that was probably meant.
pub(crate) fn dotted_like(name: &str, scope: Option<&str>, method: &str) -> String {
    let method = snake_like(method, "answer");
    let parts = name.split(['.', '/', ':', ' ']).filter(|part| !part.is_empty());
    let mut parts: Vec<_> = parts.map(|part| snake_like(part, "answer")).collect();
    if let Some(scope) = scope
        && parts.first().is_none_or(|first| first != scope)
    {
        if parts.len() > 1 {
            parts.remove(0);
        }
        parts.insert(0, scope.to_owned());
    }
    if parts.len() < 2 {
        parts.push(method);
    }
    parts.join(".")
}

fn check_parts(
    name: &str,
    place: &impl ToTokens,
    scope: Option<&str>,
    instead: impl Fn(&str) -> String,
    diagnostics: &mut Diagnostics,
) -> bool {
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    let last = name.rsplit('.').next().unwrap_or(name);
    if let Some(scope) = scope.filter(|scope| *scope != first) {
        let what = format!("capability `{name}` does not start with the scope of its service, `{scope}`");
        let help = format!("write `name = \"{scope}.{rest}\"`, or `scope = \"{first}\"` on the service");
        diagnostics.error(Rule::NameInScope, place, what, help);
        return false;
    }
    if let Some((_, like)) = RESERVED.iter().find(|(reserved, _)| *reserved == last) {
        let what = format!("capability name `{name}` is reserved: every service answers `{last}` itself");
        diagnostics.error(Rule::ReservedName, place, what, instead(like));
        return false;
    }
    check_length(name, place, diagnostics)
}

fn timeout_ms(timeout: &Text, diagnostics: &mut Diagnostics) -> Option<u64> {
    let text = timeout.value.trim();
    let numbers = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(numbers);
    let factor = match unit.trim_start() {
        "ms" => Some(1_u32),
        "s" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    let (Some(factor), Ok(count)) = (factor.filter(|_| !unit.starts_with(' ')), number.parse::<u64>()) else {
        let what = format!("timeout `{text}` is not a whole number with a unit: `ms`, `s` or `m`");
        let like = match (number.parse::<f64>(), factor) {
            (Ok(fraction), Some(factor)) if number.contains('.') => {
                format!("{}ms", (fraction * f64::from(factor)).round().max(1.0))
            }
            (Ok(whole), Some(_)) => format!("{whole}{}", unit.trim_start()),
            (Ok(whole), None) => format!("{}s", whole.round()),
            _ => "5s".to_owned(),
        };
        diagnostics.error(Rule::TimeoutForm, &timeout.place, what, format!("write `timeout = \"{like}\"`"));
        return None;
    };
    let millis = count.saturating_mul(u64::from(factor));
    if (1..=MAX_TIMEOUT_MS).contains(&millis) {
        return Some(millis);
    }
    let what = format!("timeout `{text}` is out of range: 1ms to {}s", MAX_TIMEOUT_MS / 1000);
    let help = if millis == 0 {
        "write `timeout = \"5s\"`, or leave it out for 30 seconds"
    } else {
        "answer such work with an id, and let a second capability tell its result"
    };
    diagnostics.error(Rule::TimeoutRange, &timeout.place, what, help);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_name_has_a_good_neighbour_in_its_scope() {
        let like = |name| dotted_like(name, Some("greeter"), "greet");
        assert_eq!(like(""), "greeter.greet");
        assert_eq!(like("Greet"), "greeter.greet");
        assert_eq!(like("greeter"), "greeter.greet");
        assert_eq!(like("greeter/greetAll"), "greeter.greet_all");
        assert_eq!(like("_mesh.greet"), "greeter.greet");
        assert_eq!(dotted_like("rag.Ask", None, "ask"), "rag.ask");
    }
}
