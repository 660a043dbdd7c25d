//! What a service asks of its realm: derived from what its block declares, or written by its author,
//! who must not ask for less than the block needs.

use super::types::spelled;
use crate::arguments::{self, IDENTITY_KEYS, IdentityArguments, Integer, Nested, Read, Text, Texts};
use crate::diagnostics::{Diagnostics, Rule};
use crate::model::{Capability, Identity, TTL_DAYS, Use};
use crate::reference::{check_action, is_plain};

/// The longest that a permission may last, in days.
const MAX_TTL_DAYS: u64 = 365;

/// Reads `identity(...)`; what is not in it is derived. `scope` is missing where the service's name is.
pub(super) fn read(
    nested: Option<&Nested>,
    scope: Option<&str>,
    capabilities: &[Capability],
    uses: &[Use],
    diagnostics: &mut Diagnostics,
) -> Identity {
    let needed = needed(capabilities, uses);
    let arguments: Read<IdentityArguments> = match nested {
        Some(Nested(tokens)) => arguments::read(tokens.clone(), &IDENTITY_KEYS, diagnostics),
        None => Read::default(),
    };
    if let Some(actions) = &arguments.actions {
        check_actions(actions, &needed, diagnostics);
    }
    if let Some(resources) = &arguments.resources {
        check_resources(resources, scope, diagnostics);
    }
    let written = |texts: &Texts| texts.value.iter().map(|text| text.value.clone()).collect();
    Identity {
        actions: arguments.actions.as_ref().map_or(needed, written),
        resources: arguments.resources.as_ref().map_or_else(|| resources(scope, uses), written),
        ttl_days: arguments.ttl_days.as_ref().and_then(|days| ttl_days(days, diagnostics)).unwrap_or(TTL_DAYS),
    }
}

/// The actions that a block needs. What is called by type, only the runtime knows by name.
fn needed(capabilities: &[Capability], uses: &[Use]) -> Vec<String> {
    let answers = capabilities.iter().map(|capability| format!("answer:{}@{}", capability.name, capability.version));
    let calls = uses.iter().filter_map(|used| match used {
        Use::Capability { reference, version } => Some(format!("call:{reference}@{version}")),
        Use::Service(_) => None,
    });
    answers.chain(calls).collect()
}

/// Everything in the scope, and what is used.
fn resources(scope: Option<&str>, uses: &[Use]) -> Vec<String> {
    let mut resources = vec![format!("{}/*", scope.unwrap_or_default())];
    for used in uses {
        if let Use::Capability { reference, .. } = used
            && !resources.contains(&reference.to_string())
        {
            resources.push(reference.to_string());
        }
    }
    resources
}

fn check_actions(actions: &Texts, needed: &[String], diagnostics: &mut Diagnostics) {
    let before = diagnostics.len();
    for action in &actions.value {
        if let Err(wrong) = check_action(&action.value) {
            diagnostics.error(Rule::ActionForm, &action.place, wrong.what, wrong.help);
        }
    }
    check_once("action", &actions.value, diagnostics);
    if diagnostics.len() > before {
        // One of them may be what is missing.
        return;
    }
    let is_written = |needed: &String| actions.value.iter().any(|action| action.value == *needed);
    let missing: Vec<_> = needed.iter().filter(|needed| !is_written(needed)).collect();
    if !missing.is_empty() {
        let ticked = missing.iter().map(|action| format!("`{action}`")).collect::<Vec<_>>().join(", ");
        let quoted = missing.iter().map(|action| format!("\"{action}\"")).collect::<Vec<_>>().join(", ");
        let what = format!("these actions leave out what the service declares: {ticked}");
        let help = format!("add `{quoted}`, or leave `actions` out");
        diagnostics.error(Rule::NeededAction, &actions.place, what, help);
    }
}

fn check_resources(resources: &Texts, scope: Option<&str>, diagnostics: &mut Diagnostics) {
    for resource in resources.value.iter().filter(|resource| !is_plain(&resource.value)) {
        let what = if resource.value.trim().is_empty() {
            "a resource cannot be empty".to_owned()
        } else {
            format!("`{}` is no resource: at most 256 ASCII characters, no blanks", resource.value)
        };
        let help = format!("write `\"{}/*\"`", scope.unwrap_or("greeter"));
        diagnostics.error(Rule::ResourceForm, &resource.place, what, help);
    }
    check_once("resource", &resources.value, diagnostics);
}

fn check_once(kind: &str, texts: &[Text], diagnostics: &mut Diagnostics) {
    for (index, text) in texts.iter().enumerate() {
        if texts.iter().take(index).any(|other| other.value == text.value) {
            let what = format!("{kind} `{}` is listed twice", text.value);
            diagnostics.error(Rule::ListedOnce, &text.place, what, "remove one of them");
        }
    }
}

fn ttl_days(days: &Integer, diagnostics: &mut Diagnostics) -> Option<u16> {
    let checked = days.value.filter(|days| (1..=MAX_TTL_DAYS).contains(days)).and_then(|days| u16::try_from(days).ok());
    if checked.is_none() {
        let what = format!("a permission lasts 1 to {MAX_TTL_DAYS} days, found `{}`", spelled(&days.place));
        diagnostics.error(Rule::TtlRange, &days.place, what, format!("write `ttl_days = {TTL_DAYS}`"));
    }
    checked
}
