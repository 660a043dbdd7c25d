//! The callbacks that an author may write: `start`, `stop` and `health`; and those that are generated.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{FnArg, ReturnType, Signature, Type};

use super::handler::{extra_modifiers, is_shared};
use super::types::{is_surely_no_result, is_unit, last_segment, spelled, ungrouped_type};
use crate::diagnostics::{Diagnostics, Rule};
use crate::model::{Callbacks, HealthCallback};
use crate::parse::{Block, Method, is_capability};

const START: &str = "async fn start(context: Context<Self>) -> Result<Self, StartError>";
const STOP: &str = "async fn stop(&self)";
const HEALTH: &str = "async fn health(&self) -> Health";

/// The callbacks that the runtime answers itself.
const GENERATED: [&str; 3] = ["capabilities", "identity_spec", "info"];

/// Whether the contract knows a function of that name.
pub(super) fn is_callback(name: &str) -> bool {
    ["start", "stop", "health"].contains(&name) || GENERATED.contains(&name)
}

/// Finds the callbacks of a block and checks their signatures.
pub(super) fn read(block: &Block, diagnostics: &mut Diagnostics) -> Callbacks {
    let mut callbacks = Callbacks::default();
    for method in block.methods() {
        let signature = &method.signature;
        let name = signature.ident.to_string();
        if !is_callback(&name) {
            continue;
        }
        if GENERATED.contains(&name.as_str()) {
            let what = format!("`{name}` is generated from the block and cannot be written");
            let help = format!("give the method another name, such as `own_{name}`");
            diagnostics.error(Rule::GeneratedCallback, &signature.ident, what, help);
            continue;
        }
        if method.attributes.iter().any(is_capability) {
            let what = format!("`{name}` is a callback of the contract and cannot be a capability");
            let help = format!("give the method another name, such as `{name}_now`, or remove `#[capability]`");
            diagnostics.error(Rule::CallbackIsNoCapability, &signature.ident, what, help);
            continue;
        }
        check_plain(method, diagnostics);
        let ident = signature.ident.clone();
        match name.as_str() {
            "start" => {
                check_start(signature, diagnostics);
                callbacks.start = Some(ident);
            }
            "stop" => {
                check_stop(signature, diagnostics);
                callbacks.stop = Some(ident);
            }
            _ => {
                check_health(signature, diagnostics);
                callbacks.health = Some(HealthCallback { name: ident, is_async: signature.asyncness.is_some() });
            }
        }
    }
    callbacks
}

fn check_plain(method: &Method, diagnostics: &mut Diagnostics) {
    let signature = &method.signature;
    let name = &signature.ident;
    let extra = extra_modifiers(method);
    let (place, found) = if !extra.is_empty() {
        let found = spelled(&extra);
        (extra, format!("`{found}`"))
    } else if !signature.generics.params.is_empty() {
        (signature.generics.params.to_token_stream(), "parameters of its own".to_owned())
    } else if let Some(clause) = &signature.generics.where_clause {
        (clause.where_token.to_token_stream(), "conditions of its own".to_owned())
    } else {
        return;
    };
    let what = format!("callback `{name}` must be a plain function, found {found}");
    diagnostics.error(Rule::PlainCallback, place, what, format!("write `{}`", template(&name.to_string())));
}

fn template(name: &str) -> &'static str {
    match name {
        "start" => START,
        "stop" => STOP,
        _ => HEALTH,
    }
}

fn check_async(signature: &Signature, template: &str, diagnostics: &mut Diagnostics) {
    if signature.asyncness.is_none() && signature.constness.is_none() {
        let what = format!("callback `{}` must be `async`", signature.ident);
        diagnostics.error(Rule::AsyncCallback, signature.fn_token, what, format!("write `{template}`"));
    }
}

fn check_start(signature: &Signature, diagnostics: &mut Diagnostics) {
    check_async(signature, START, diagnostics);
    let is_context = |input: &FnArg| matches!(input, FnArg::Typed(context) if last_segment(&context.ty).is_some_and(|name| name == "Context"));
    if let Some(place) = unexpected(signature, is_context) {
        let what = "callback `start` takes the context of the service and nothing else";
        diagnostics.error(Rule::CallbackParameters, place, what, format!("write `{START}`"));
    }
    let returned = returned(signature);
    if returned.is_none_or(is_surely_no_result) {
        let what = format!("callback `start` must return `Result<Self, StartError>`, found {}", found(returned));
        diagnostics.error(Rule::CallbackReturn, return_place(signature), what, format!("write `{START}`"));
    }
}

fn check_stop(signature: &Signature, diagnostics: &mut Diagnostics) {
    check_async(signature, STOP, diagnostics);
    check_shared_self_only(signature, STOP, diagnostics);
    if let Some(returned) = returned(signature).filter(|ty| !is_unit(ty)) {
        let what =
            format!("callback `stop` returns nothing, found {}: the process ends after it", found(Some(returned)));
        diagnostics.error(Rule::CallbackReturn, returned, what, format!("write `{STOP}` and log what fails"));
    }
}

fn check_health(signature: &Signature, diagnostics: &mut Diagnostics) {
    check_shared_self_only(signature, HEALTH, diagnostics);
    let returned = returned(signature);
    if returned.and_then(last_segment).is_none_or(|name| name != "Health") {
        let what = format!("callback `health` must return `Health`, found {}", found(returned));
        let help = "write `-> Health` and return `Health::Ok`, `Health::degraded(\"why\")` or `Health::down(\"why\")`";
        diagnostics.error(Rule::CallbackReturn, return_place(signature), what, help);
    }
}

fn check_shared_self_only(signature: &Signature, template: &str, diagnostics: &mut Diagnostics) {
    let is_shared_self = |input: &FnArg| matches!(input, FnArg::Receiver(receiver) if is_shared(receiver));
    if let Some(place) = unexpected(signature, is_shared_self) {
        let what = format!("callback `{}` takes `&self` and nothing else", signature.ident);
        diagnostics.error(Rule::CallbackParameters, place, what, format!("write `{template}`"));
    }
}

/// The first parameter that is not the only `expected` one; the function's name where that is missing.
fn unexpected(signature: &Signature, expected: impl Fn(&FnArg) -> bool) -> Option<TokenStream> {
    let mut inputs = signature.inputs.iter();
    match inputs.next() {
        None => Some(signature.ident.to_token_stream()),
        Some(first) if expected(first) => inputs.next().map(ToTokens::to_token_stream),
        Some(first) => Some(first.to_token_stream()),
    }
}

/// What a function returns, as written.
pub(super) fn returned(signature: &Signature) -> Option<&Type> {
    match &signature.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some(ungrouped_type(ty)),
    }
}

/// The place to point at when what is returned is wrong.
pub(super) fn return_place(signature: &Signature) -> TokenStream {
    returned(signature).map_or_else(|| signature.ident.to_token_stream(), ToTokens::to_token_stream)
}

pub(super) fn found(returned: Option<&Type>) -> String {
    returned.map_or_else(|| "nothing".to_owned(), |ty| format!("`{}`", spelled(ty)))
}
