//! The callbacks that an author may write: `start`, `stop` and `health`; and those that are generated.

use quote::ToTokens;
use syn::{FnArg, ReturnType, Signature, Type};

use super::{spelled, ungrouped_type};
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
            diagnostics.error(Rule::GeneratedCallback, &signature.ident, what, "give the method another name");
            continue;
        }
        if let Some(attribute) = method.attributes.iter().find(|attribute| is_capability(attribute)) {
            let what = format!("`{name}` is a callback of the contract and cannot be a capability");
            diagnostics.error(
                Rule::CallbackIsNoCapability,
                attribute,
                what,
                format!("give the method another name, such as `{name}_now`"),
            );
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
    let place = if !signature.generics.params.is_empty() {
        signature.generics.to_token_stream()
    } else if signature.constness.is_some() || signature.abi.is_some() || is_unsafe(signature) {
        signature.fn_token.to_token_stream()
    } else {
        return;
    };
    let what = format!("callback `{name}` must be a plain function");
    diagnostics.error(Rule::PlainCallback, place, what, format!("write `{}`", template(&name.to_string())));
}

/// Whether a function is `unsafe`.
pub(super) fn is_unsafe(signature: &Signature) -> bool {
    !signature.safety.to_token_stream().is_empty()
}

fn template(name: &str) -> &'static str {
    match name {
        "start" => START,
        "stop" => STOP,
        _ => HEALTH,
    }
}

fn check_async(signature: &Signature, template: &str, diagnostics: &mut Diagnostics) {
    if signature.asyncness.is_none() {
        let what = format!("callback `{}` must be `async`", signature.ident);
        diagnostics.error(Rule::AsyncCallback, signature.fn_token, what, format!("write `{template}`"));
    }
}

fn check_start(signature: &Signature, diagnostics: &mut Diagnostics) {
    check_async(signature, START, diagnostics);
    let inputs: Vec<_> = signature.inputs.iter().collect();
    let takes_context = matches!(inputs.as_slice(), [FnArg::Typed(context)] if last_segment(&context.ty).is_some_and(|name| name == "Context"));
    if !takes_context {
        let what = "callback `start` takes the context of the service and nothing else";
        diagnostics.error(Rule::CallbackParameters, parameters(signature), what, format!("write `{START}`"));
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
    let name = &signature.ident;
    let inputs: Vec<_> = signature.inputs.iter().collect();
    let shared = matches!(inputs.as_slice(), [FnArg::Receiver(receiver)] if super::handler::is_shared(receiver));
    if !shared {
        let what = format!("callback `{name}` takes `&self` and nothing else");
        diagnostics.error(Rule::CallbackParameters, parameters(signature), what, format!("write `{template}`"));
    }
}

/// The parameters of a function, or its name where it has none.
fn parameters(signature: &Signature) -> proc_macro2::TokenStream {
    if signature.inputs.is_empty() { signature.ident.to_token_stream() } else { signature.inputs.to_token_stream() }
}

/// What a function returns, as written.
pub(super) fn returned(signature: &Signature) -> Option<&Type> {
    match &signature.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some(ungrouped_type(ty)),
    }
}

/// The place to point at when what is returned is wrong.
pub(super) fn return_place(signature: &Signature) -> proc_macro2::TokenStream {
    returned(signature).map_or_else(|| signature.ident.to_token_stream(), ToTokens::to_token_stream)
}

pub(super) fn found(returned: Option<&Type>) -> String {
    returned.map_or_else(|| "nothing".to_owned(), |ty| format!("`{}`", spelled(ty)))
}

/// The last name of a path, `Result` of `std::result::Result<A, B>`.
pub(super) fn last_segment(ty: &Type) -> Option<String> {
    match ungrouped_type(ty) {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}

pub(super) fn is_unit(ty: &Type) -> bool {
    matches!(ungrouped_type(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// Whether no alias can make a `Result` of this type.
pub(super) fn is_surely_no_result(ty: &Type) -> bool {
    const PLAIN: [&str; 20] = [
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
        "usize", "String", "Vec", "Option", "Self",
    ];
    match ungrouped_type(ty) {
        Type::Path(_) => last_segment(ty).is_some_and(|name| PLAIN.contains(&name.as_str())),
        Type::Macro(_) => false,
        _ => true,
    }
}
