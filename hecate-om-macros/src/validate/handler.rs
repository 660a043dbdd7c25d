//! The signature of a handler: `async fn m(&self[, request: R][, call: &Call<Self>]) -> Result<T, E>`, where
//! `R` and `T` may be streams.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::{FnArg, GenericParam, PatType, Receiver, ReceiverKind, Type};

use super::callbacks::{found, return_place, returned};
use super::stream::{self, Direction};
use super::types::{
    REPLY_STREAM, REQUEST_STREAM, borrows, first_span, is_no_object, is_surely_no_result, is_unnamed, item_of,
    last_segment, lasting, optional, spelled, type_arguments, ungrouped_type,
};
use crate::diagnostics::{Diagnostics, Rule};
use crate::model::{Handler, ReplyType};
use crate::parse::Method;

/// Checks a handler. Where something is wrong with it, what comes out is still good enough for the
/// constant by which the rest of the crate names it.
pub(super) fn read(method: &Method, self_type: &Type, diagnostics: &mut Diagnostics) -> Handler {
    let before = diagnostics.len();
    check_kind(method, diagnostics);
    check_parameters(method, diagnostics);
    check_receiver(method, diagnostics);
    let (request, call) = read_inputs(method, self_type, diagnostics);
    let (reply, refusal) = read_output(method, diagnostics);
    let name = &method.signature.ident;
    let handler = Handler {
        method: name.clone(),
        visibility: method.visibility.clone(),
        constant: constant_of(name),
        request,
        call,
        reply,
        refusal,
        returns_at: returned(&method.signature)
            .map_or_else(|| name.span(), |ty| last_segment(ty).map_or_else(|| first_span(ty), Ident::span)),
    };
    if diagnostics.len() == before { handler } else { lasting_handler(handler, method) }
}

/// The handler with types that may stand in a constant.
fn lasting_handler(handler: Handler, method: &Method) -> Handler {
    let parameters: Vec<&Ident> = method
        .signature
        .generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(&parameter.ident),
            GenericParam::Const(parameter) => Some(&parameter.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    let unit = || syn::parse_quote!(());
    let reply = match &handler.reply {
        ReplyType::Written(ty) => ReplyType::Written(lasting(ty, &parameters).unwrap_or_else(unit)),
        // Whether it is a `Result` would be a second question.
        ReplyType::Behind(ty) if last_segment(ty).is_none_or(|name| !name.to_string().ends_with("Result")) => {
            ReplyType::Written(lasting(ty, &parameters).unwrap_or_else(unit))
        }
        ReplyType::Behind(ty) => ReplyType::Behind(ty.clone()),
    };
    Handler { request: handler.request.and_then(|ty| lasting(&ty, &parameters)), reply, ..handler }
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

/// What makes a function more than a plain one: `const`, `unsafe`, `extern "C"`.
pub(super) fn extra_modifiers(method: &Method) -> TokenStream {
    let signature = &method.signature;
    let (constness, safety) = (&signature.constness, &signature.safety);
    let mut extra = constness.to_token_stream();
    if extra.is_empty() {
        extra = safety.to_token_stream();
    }
    if extra.is_empty() {
        extra = signature.abi.to_token_stream();
    }
    extra
}

fn check_kind(method: &Method, diagnostics: &mut Diagnostics) {
    let signature = &method.signature;
    let name = &signature.ident;
    let extra = extra_modifiers(method);
    if !extra.is_empty() {
        let what = format!(
            "capability `{name}` must be a plain function, found `{}`: its callers are remote",
            spelled(&extra)
        );
        diagnostics.error(Rule::PlainHandler, extra, what, format!("write `async fn {name}(..)`"));
    } else if signature.asyncness.is_none() {
        let what = format!("capability `{name}` must be `async`");
        diagnostics.error(Rule::AsyncHandler, signature.fn_token, what, format!("write `async fn {name}(..)`"));
    }
}

fn check_parameters(method: &Method, diagnostics: &mut Diagnostics) {
    let signature = &method.signature;
    let name = &signature.ident;
    for parameter in &signature.generics.params {
        let (place, help) = match parameter {
            GenericParam::Lifetime(parameter) => (
                parameter.lifetime.to_token_stream(),
                "leave the lifetime out: `&self`, and types that own what they hold",
            ),
            GenericParam::Type(parameter) => (parameter.ident.to_token_stream(), "write the concrete type"),
            GenericParam::Const(parameter) => (parameter.ident.to_token_stream(), "write the value"),
        };
        let what =
            format!("capability `{name}` cannot have parameters of its own: callers reach one concrete function");
        diagnostics.error(Rule::ConcreteHandler, place, what, help);
    }
    if let (Some(clause), true) = (&signature.generics.where_clause, signature.generics.params.is_empty()) {
        let what =
            format!("capability `{name}` cannot have conditions of its own: callers reach one concrete function");
        diagnostics.error(Rule::ConcreteHandler, clause.where_token, what, "remove the `where` clause");
    }
}

fn check_receiver(method: &Method, diagnostics: &mut Diagnostics) {
    let signature = &method.signature;
    let name = &signature.ident;
    match signature.receiver() {
        None => {
            let rest = if signature.inputs.is_empty() { "" } else { ", .." };
            let what = format!("capability `{name}` must take `&self`");
            diagnostics.error(Rule::HandlerReceiver, name, what, format!("write `async fn {name}(&self{rest})`"));
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

fn read_inputs(method: &Method, self_type: &Type, diagnostics: &mut Diagnostics) -> (Option<Type>, Option<Type>) {
    let name = &method.signature.ident;
    let mut requests: Vec<&PatType> = Vec::new();
    let mut call: Option<&Type> = None;
    let typed = method.signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    for typed in typed {
        let ty = &*typed.ty;
        match input(ty) {
            Input::Request => {
                if call.is_some() && requests.is_empty() {
                    let what = format!("the call of capability `{name}` comes after its request");
                    let help = format!("write `(&self, {}, call: &Call<Self>)`", spelled(typed));
                    diagnostics.error(Rule::CallParameter, ty, what, help);
                }
                requests.push(typed);
            }
            _ if call.is_some() => {
                let what = format!("capability `{name}` takes its call twice");
                diagnostics.error(Rule::CallParameter, ty, what, "remove one of them");
            }
            kind => {
                if let Some(other) = of_another(ty, self_type) {
                    let what = format!("capability `{name}` takes a call of `{}`, but answers its own", spelled(other));
                    diagnostics.error(Rule::CallParameter, other, what, "write `call: &Call<Self>`");
                } else if matches!(kind, Input::WrongCall) {
                    let what = format!("capability `{name}` takes its call as `{}`", spelled(ty));
                    diagnostics.error(Rule::CallParameter, ty, what, "write `call: &Call<Self>`");
                }
                call = Some(ty);
            }
        }
    }
    match requests.as_slice() {
        [] => {}
        [one] => check_request(name, one, diagnostics),
        [_, second, ..] if requests.iter().any(|request| item_of(&request.ty, REQUEST_STREAM).is_some()) => {
            let variants = requests.iter().map(|request| variant(request)).collect::<Vec<_>>().join(", ");
            let what = format!("capability `{name}` takes more than one request: a stream stands in place of it");
            let item = format!("{}Item", camel(name));
            let help = format!(
                "let one stream carry all: `{REQUEST_STREAM}<{item}>`, with `#[message] enum {item} {{ {variants} }}`"
            );
            diagnostics.error(Rule::OneRequest, &second.ty, what, help);
        }
        [_, second, ..] => {
            let fields = requests.iter().map(|request| spelled(owned_field(request))).collect::<Vec<_>>().join(", ");
            let what = format!("capability `{name}` takes more than one request");
            let help = format!("put them into one: `#[message] struct {}Request {{ {fields} }}`", camel(name));
            diagnostics.error(Rule::OneRequest, &second.ty, what, help);
        }
    }
    (requests.first().map(|request| (*request.ty).clone()), call.cloned())
}

enum Input {
    Call,
    WrongCall,
    Request,
}

fn input(ty: &Type) -> Input {
    let is_call = |ty: &Type| last_segment(ty).is_some_and(|name| name == "Call");
    match ungrouped_type(ty) {
        Type::Reference(reference) if is_call(&reference.elem) => {
            if reference.mutability.is_none() {
                Input::Call
            } else {
                Input::WrongCall
            }
        }
        other if is_call(other) => Input::WrongCall,
        _ => Input::Request,
    }
}

/// The service of a call, if it is surely not this one.
fn of_another<'a>(call: &'a Type, self_type: &Type) -> Option<&'a Type> {
    let call = match ungrouped_type(call) {
        Type::Reference(reference) => &reference.elem,
        other => other,
    };
    let of = type_arguments(call).first().copied()?;
    let name = last_segment(of);
    let is_own = name.is_some_and(|name| name == "Self") || name == last_segment(self_type);
    (!is_own).then_some(of)
}

/// A parameter as the variant of an enum: `Numbers(Number)` for `mut numbers: RequestStream<Number>`.
fn variant(parameter: &PatType) -> String {
    let name = match &*parameter.pat {
        syn::Pat::Ident(pattern) => camel(&pattern.ident),
        _ => "Value".to_owned(),
    };
    let ty = owned(item_of(&parameter.ty, REQUEST_STREAM).unwrap_or(&parameter.ty));
    format!("{name}({})", spelled(ty))
}

/// A parameter as the field of a struct: `name: String` for `mut name: &str`.
fn owned_field(parameter: &PatType) -> TokenStream {
    let name = match &*parameter.pat {
        syn::Pat::Ident(pattern) => pattern.ident.to_token_stream(),
        _ => quote::quote!(value),
    };
    let ty = owned(&parameter.ty);
    quote::quote!(#name: #ty)
}

fn owned(ty: &Type) -> Type {
    match ungrouped_type(ty) {
        Type::Reference(reference) if last_segment(&reference.elem).is_some_and(|name| name == "str") => {
            syn::parse_quote!(String)
        }
        Type::Reference(reference) => owned(&reference.elem),
        Type::Slice(slice) => {
            let element = owned(&slice.elem);
            syn::parse_quote!(Vec<#element>)
        }
        other => other.clone(),
    }
}

pub(crate) fn check_request(name: &Ident, request: &PatType, diagnostics: &mut Diagnostics) {
    let ty = &*request.ty;
    if stream::check(name, Direction::Request, ty, diagnostics) {
        return;
    }
    let (text, field) = (spelled(ty), owned_field(request));
    let one = format!("`#[message] struct {} {{ {} }}`", camel(name), spelled(&field));
    if is_unnamed(ty) {
        let what = format!("the request of capability `{name}` must have a named type, found `{text}`");
        let help = match stream::meant(ty, Direction::Request) {
            Some(stream) => format!("take a stream: `{stream}`"),
            None => format!("give it one: `#[message] struct {} {{ .. }}`", camel(name)),
        };
        diagnostics.error(Rule::NamedRequest, ty, what, help);
    } else if borrows(ty) {
        let what = format!("the request of capability `{name}` must be owned, found `{text}`: it is read from a call");
        let owned = owned(ty);
        let help = if is_no_object(&owned) {
            format!("take a struct that owns it: {one}")
        } else if borrows(&owned) {
            "take a type that owns what it holds".to_owned()
        } else {
            format!("take it by value: `{}`", spelled(&field))
        };
        diagnostics.error(Rule::OwnedRequest, ty, what, help);
    } else if is_no_object(ty) {
        let what = format!("the request of capability `{name}` must be an object on the wire, found `{text}`");
        let help = match optional(ty) {
            Some(inner) => format!("take `{}`, with fields that are optional", spelled(inner)),
            None => format!("give it a name in a struct: {one}"),
        };
        diagnostics.error(Rule::ObjectRequest, ty, what, help);
    }
}

fn read_output(method: &Method, diagnostics: &mut Diagnostics) -> (ReplyType, Option<Type>) {
    let signature = &method.signature;
    let name = &signature.ident;
    let written = returned(signature);
    let Some(returned) = written.filter(|ty| !is_surely_no_result(ty)) else {
        let what = format!("capability `{name}` must return a `Result`, found {}", found(written));
        let stream = written.and_then(|ty| stream::meant(ty, Direction::Reply));
        let help = match (written, stream) {
            (None, _) => "write `-> Result<()>`".to_owned(),
            (_, Some(stream)) => format!("write `-> Result<{stream}>`"),
            (Some(ty), None) => match optional(ty) {
                Some(inner) => format!("write `-> Result<{}>`, and refuse where there is none", spelled(inner)),
                None if is_no_object(ty) || is_unnamed(ty) => {
                    "write `-> Result<Reply>`, with `#[message] struct Reply { .. }`".to_owned()
                }
                None => format!("write `-> Result<{}>`", spelled(ty)),
            },
        };
        diagnostics.error(Rule::HandlerResult, return_place(signature), what, help);
        let meant = written.map_or_else(|| syn::parse_quote!(()), |ty| optional(ty).unwrap_or(ty).clone());
        return (ReplyType::Written(meant), None);
    };
    let arguments = type_arguments(returned);
    let Some(reply) = arguments.first().filter(|_| last_segment(returned).is_some_and(|name| name == "Result")) else {
        // Behind an alias, only what is surely a stream is looked at.
        if let Some(reply) = arguments.first().filter(|reply| item_of(reply, REPLY_STREAM).is_some()) {
            check_reply(name, reply, diagnostics);
        }
        return (ReplyType::Behind(returned.clone()), None);
    };
    check_reply(name, reply, diagnostics);
    (ReplyType::Written((*reply).clone()), arguments.get(1).map(|refusal| (*refusal).clone()))
}

fn check_reply(name: &Ident, reply: &Type, diagnostics: &mut Diagnostics) {
    if stream::check(name, Direction::Reply, reply, diagnostics) {
        return;
    }
    let text = spelled(reply);
    if is_unnamed(reply) || borrows(reply) {
        let what = format!("the reply of capability `{name}` must be owned and have a named type, found `{text}`");
        let help = match (ungrouped_type(reply), stream::meant(reply, Direction::Reply)) {
            (_, Some(stream)) => format!("answer with a stream: `Result<{stream}>`"),
            (Type::Reference(reference), None) if !is_unnamed(reply) && !is_no_object(&reference.elem) => {
                format!("return it by value: `Result<{}>`", spelled(owned(reply)))
            }
            (_, None) => "return a struct of your own: `#[message] struct Reply { .. }`".to_owned(),
        };
        diagnostics.error(Rule::OwnedReply, reply, what, help);
    } else if is_no_object(reply) {
        let what = format!("the reply of capability `{name}` must be an object on the wire, found `{text}`");
        let help = match optional(reply) {
            Some(inner) => format!("return `Result<{}>`, and refuse where there is none", spelled(inner)),
            None => format!("give it a name in a struct: `#[message] struct Reply {{ value: {text} }}`"),
        };
        diagnostics.error(Rule::ObjectReply, reply, what, help);
    }
}

/// `SayTwice` for `say_twice`.
fn camel(method: &Ident) -> String {
    crate::names::title_of(&method.unraw().to_string()).replace(' ', "")
}
