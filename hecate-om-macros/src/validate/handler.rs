//! The signature of a handler: `async fn m(&self[, request: R][, call: &Call<Self>]) -> Result<T, E>`.

use proc_macro2::Ident;
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::{FnArg, GenericArgument, PathArguments, Receiver, ReceiverKind, Type};

use super::callbacks::{found, is_surely_no_result, is_unit, is_unsafe, last_segment, return_place, returned};
use super::{spelled, ungrouped_type};
use crate::diagnostics::{Diagnostics, Rule};
use crate::model::{Handler, ReplyType};
use crate::parse::Method;

/// Checks a handler; what comes out can be called, even where something else is wrong with it.
pub(super) fn read(method: &Method, diagnostics: &mut Diagnostics) -> Option<Handler> {
    let before = diagnostics.len();
    check_kind(method, diagnostics);
    check_receiver(method, diagnostics);
    let (request, takes_call) = read_parameters(method, diagnostics);
    let reply = read_reply(method, diagnostics);
    let reply = reply.filter(|_| diagnostics.len() == before)?;
    let name = &method.signature.ident;
    Some(Handler {
        method: name.clone(),
        visibility: method.visibility.clone(),
        constant: constant_of(name),
        request,
        takes_call,
        reply,
    })
}

/// `SAY_TWICE` for `say_twice`.
fn constant_of(method: &Ident) -> Ident {
    format_ident!("{}", method.unraw().to_string().to_uppercase(), span = method.span())
}

/// `&self`, or the same spelled out.
pub(super) fn is_shared(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_none(),
        ReceiverKind::Typed(_, ty) => {
            matches!(&**ty, Type::Reference(reference) if reference.mutability.is_none() && last_segment(&reference.elem).is_some_and(|name| name == "Self"))
        }
        _ => false,
    }
}

fn check_kind(method: &Method, diagnostics: &mut Diagnostics) {
    let signature = &method.signature;
    let name = &signature.ident;
    if signature.asyncness.is_none() {
        let what = format!("capability `{name}` must be `async`");
        diagnostics.error(Rule::AsyncHandler, signature.fn_token, what, format!("write `async fn {name}(..)`"));
    }
    if signature.constness.is_some() || signature.abi.is_some() || signature.variadic.is_some() || is_unsafe(signature)
    {
        let what = format!("capability `{name}` must be a plain function: its callers are remote");
        diagnostics.error(Rule::PlainHandler, signature.fn_token, what, format!("write `async fn {name}(..)`"));
    }
    if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
        let place = if signature.generics.params.is_empty() {
            signature.generics.where_clause.to_token_stream()
        } else {
            signature.generics.params.to_token_stream()
        };
        let what =
            format!("capability `{name}` cannot have parameters of its own: callers reach one concrete function");
        diagnostics.error(Rule::ConcreteHandler, place, what, "use concrete types");
    }
}

fn check_receiver(method: &Method, diagnostics: &mut Diagnostics) {
    let signature = &method.signature;
    let name = &signature.ident;
    match signature.receiver() {
        None => {
            let what = format!("capability `{name}` must take `&self`");
            diagnostics.error(Rule::HandlerReceiver, name, what, format!("write `async fn {name}(&self, ..)`"));
        }
        Some(receiver) if is_shared(receiver) => {}
        Some(receiver) => {
            let what = format!(
                "capability `{name}` takes `{}`, but calls run at once on one shared service",
                spelled(receiver)
            );
            let help = "take `&self`, and keep state that changes in a `Mutex`, an atomic or a task";
            diagnostics.error(Rule::SharedReceiver, receiver, what, help);
        }
    }
}

fn read_parameters(method: &Method, diagnostics: &mut Diagnostics) -> (Option<Type>, bool) {
    let name = &method.signature.ident;
    let mut request: Option<&Type> = None;
    let mut takes_call = false;
    let typed = method.signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(&*typed.ty),
        FnArg::Receiver(_) => None,
    });
    for ty in typed {
        match parameter(ty) {
            Parameter::Call if takes_call => {
                let what = format!("capability `{name}` takes its call twice");
                diagnostics.error(Rule::CallParameter, ty, what, "remove one of them");
            }
            Parameter::Call => takes_call = true,
            Parameter::CallWrong => {
                let what = format!("capability `{name}` takes its call as `{}`", spelled(ty));
                diagnostics.error(Rule::CallParameter, ty, what, "write `call: &Call<Self>`");
                takes_call = true;
            }
            Parameter::Request if takes_call => {
                let what = format!("the call of capability `{name}` comes after its request");
                diagnostics.error(Rule::CallParameter, ty, what, "write `(&self, request: .., call: &Call<Self>)`");
            }
            Parameter::Request if request.is_some() => {
                let what = format!("capability `{name}` takes more than one request");
                let help = "put the fields into one struct: `#[message] struct Request { .. }`";
                diagnostics.error(Rule::OneRequest, ty, what, help);
            }
            Parameter::Request => {
                check_request(name, ty, diagnostics);
                request = Some(ty);
            }
        }
    }
    (request.filter(|ty| !is_unit(ty)).cloned(), takes_call)
}

enum Parameter {
    Call,
    CallWrong,
    Request,
}

fn parameter(ty: &Type) -> Parameter {
    let is_call = |ty: &Type| last_segment(ty).is_some_and(|name| name == "Call");
    match ungrouped_type(ty) {
        Type::Reference(reference) if is_call(&reference.elem) => {
            if reference.mutability.is_none() {
                Parameter::Call
            } else {
                Parameter::CallWrong
            }
        }
        other if is_call(other) => Parameter::CallWrong,
        _ => Parameter::Request,
    }
}

fn check_request(name: &Ident, ty: &Type, diagnostics: &mut Diagnostics) {
    let text = spelled(ty);
    match ungrouped_type(ty) {
        Type::Reference(_) => {
            let what =
                format!("the request of capability `{name}` must be owned, found `{text}`: it is read from a call");
            diagnostics.error(Rule::OwnedRequest, ty, what, "take it by value: `request: Request`");
        }
        Type::ImplTrait(_) | Type::TraitObject(_) => {
            let what = format!("the request of capability `{name}` must have a named type, found `{text}`");
            diagnostics.error(Rule::NamedRequest, ty, what, "write the concrete type");
        }
        other if is_no_object(other) => {
            let what = format!("the request of capability `{name}` must be an object on the wire, found `{text}`");
            let help = format!("give it a name in a struct: `#[message] struct {} {{ .. }}`", camel(name));
            diagnostics.error(Rule::ObjectRequest, ty, what, help);
        }
        _ => {}
    }
}

fn read_reply(method: &Method, diagnostics: &mut Diagnostics) -> Option<ReplyType> {
    let signature = &method.signature;
    let name = &signature.ident;
    let written = returned(signature);
    let Some(returned) = written.filter(|ty| !is_surely_no_result(ty)) else {
        let what = format!("capability `{name}` must return a `Result`, found {}", found(written));
        let inner = written.map_or_else(|| "()".to_owned(), spelled);
        diagnostics.error(Rule::HandlerResult, return_place(signature), what, format!("write `-> Result<{inner}>`"));
        return None;
    };
    let Some(reply) = first_of_result(returned) else { return Some(ReplyType::Behind(returned.clone())) };
    let text = spelled(reply);
    match ungrouped_type(reply) {
        Type::Reference(_) | Type::ImplTrait(_) | Type::TraitObject(_) => {
            let what = format!("the reply of capability `{name}` must be owned and have a named type, found `{text}`");
            diagnostics.error(
                Rule::OwnedReply,
                reply,
                what,
                "return a struct of your own: `#[message] struct Reply { .. }`",
            );
        }
        other if is_no_object(other) => {
            let what = format!("the reply of capability `{name}` must be an object on the wire, found `{text}`");
            let help = "give it a name in a struct: `#[message] struct Reply { .. }`";
            diagnostics.error(Rule::ObjectReply, reply, what, help);
        }
        _ => {}
    }
    Some(ReplyType::Written(reply.clone()))
}

/// `T` of `Result<T, E>`, if it is spelled out.
fn first_of_result(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ungrouped_type(ty) else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Whether a type is surely something else than an object on the wire.
fn is_no_object(ty: &Type) -> bool {
    const PLAIN: [&str; 24] = [
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
        "usize", "str", "String", "Vec", "VecDeque", "Option", "HashSet", "BTreeSet", "PathBuf",
    ];
    match ungrouped_type(ty) {
        Type::Tuple(tuple) => !tuple.elems.is_empty(),
        Type::Array(_) | Type::Slice(_) => true,
        ty => last_segment(ty).is_some_and(|name| PLAIN.contains(&name.as_str())),
    }
}

/// `SayTwice` for `say_twice`.
fn camel(method: &Ident) -> String {
    crate::names::title_of(&method.unraw().to_string()).replace(' ', "")
}
