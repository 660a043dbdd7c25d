//! Streams in a signature: `RequestStream<I>` in place of the request, `Result<ReplyStream<O>>` as the reply,
//! and what an author may write who means one of them.

use proc_macro2::Ident;
use syn::{GenericArgument, PathArguments, Type, TypeParamBound};

use super::types::{
    REPLY_STREAM, REQUEST_STREAM, borrows, is_no_object, is_unnamed, item_of, last_segment, optional, spelled,
    type_arguments, ungrouped_type,
};
use crate::diagnostics::{Diagnostics, Rule};

/// In which direction a stream flows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the caller.
    Request,
    /// To the caller.
    Reply,
}

impl Direction {
    /// The type of a stream that flows so.
    pub(crate) fn stream(self) -> &'static str {
        match self {
            Self::Request => REQUEST_STREAM,
            Self::Reply => REPLY_STREAM,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Request => Self::Reply,
            Self::Reply => Self::Request,
        }
    }

    /// What a capability does with it.
    fn verb(self) -> &'static str {
        match self {
            Self::Request => "takes",
            Self::Reply => "answers with",
        }
    }

    fn unless(self, request: Rule, reply: Rule) -> Rule {
        match self {
            Self::Request => request,
            Self::Reply => reply,
        }
    }
}

/// Checks a request or reply that is a stream, or has one in it; false where it has none.
pub(crate) fn check(name: &Ident, direction: Direction, ty: &Type, diagnostics: &mut Diagnostics) -> bool {
    let (stream, verb) = (direction.stream(), direction.verb());
    if let Some(item) = item_of(ty, stream) {
        check_item(name, direction, item, diagnostics);
        return true;
    }
    let Some(item) = item_within(ty) else { return false };
    let text = spelled(ty);
    let meant = format!("`{stream}<{}>`", spelled(item));
    let (what, help) = if item_of(ty, direction.other().stream()).is_some() {
        let what = format!(
            "capability `{name}` {verb} a `{}`, which is what a capability {}",
            direction.other().stream(),
            direction.other().verb()
        );
        (what, format!("write {meant}"))
    } else {
        let help = match (ungrouped_type(ty), direction) {
            (Type::Reference(_), Direction::Request) => format!("take it by value: {meant}"),
            _ if optional(ty).is_some() && direction == Direction::Reply => {
                format!("write {meant}, and refuse where there is none")
            }
            _ => format!("write {meant}"),
        };
        (format!("capability `{name}` {verb} `{text}`, but a stream stands by itself"), help)
    };
    diagnostics.error(Rule::StreamPosition, ty, what, help);
    true
}

/// Checks what a stream holds: what may be a request, or a reply, may be an item.
fn check_item(name: &Ident, direction: Direction, item: &Type, diagnostics: &mut Diagnostics) {
    let (stream, text) = (direction.stream(), spelled(item));
    let subject = format!("an item that capability `{name}` {}", direction.verb());
    let named = |field: &str| format!("write `{stream}<Item>`, with `#[message] struct Item {{ {field} }}`");
    let (rule, what, help) = if let Some(inner) = item_within(item) {
        let what = format!("{subject} cannot be a stream itself, found `{text}`");
        (Rule::StreamItem, what, format!("leave the inner one out: `{stream}<{}>`", spelled(inner)))
    } else if let Some(held) = held(item) {
        let what = format!("{subject} is what its `Result` holds, found `{text}`");
        let why = match direction {
            Direction::Request => "`next` gives a `Result` of each item",
            Direction::Reply => "any item may be a refusal, which ends the stream",
        };
        (Rule::StreamItem, what, format!("write `{stream}<{}>`: {why}", spelled(held)))
    } else if is_unnamed(item) {
        let rule = direction.unless(Rule::NamedRequest, Rule::OwnedReply);
        (rule, format!("{subject} must have a named type, found `{text}`"), named(".."))
    } else if borrows(item) {
        let rule = direction.unless(Rule::OwnedRequest, Rule::OwnedReply);
        let help = match ungrouped_type(item) {
            Type::Reference(reference) if !borrows(&reference.elem) && !is_no_object(&reference.elem) => {
                format!("write `{stream}<{}>`", spelled(&reference.elem))
            }
            _ => named(".."),
        };
        (rule, format!("{subject} must be owned, found `{text}`"), help)
    } else if is_no_object(item) {
        let rule = direction.unless(Rule::ObjectRequest, Rule::ObjectReply);
        let help = match optional(item) {
            Some(inner) => format!("write `{stream}<{}>`: a stream may as well hold none", spelled(inner)),
            None => named(&format!("value: {text}")),
        };
        (rule, format!("{subject} must be an object on the wire, found `{text}`"), help)
    } else {
        return;
    };
    diagnostics.error(rule, item, what, help);
}

/// The stream that was probably meant by a type that is none, such as `impl Stream<Item = Number>`.
pub(crate) fn meant(ty: &Type, direction: Direction) -> Option<String> {
    let item = item_within(ty).or_else(|| streamed(ty))?;
    let item = held(item).unwrap_or(item);
    Some(format!("{}<{}>", direction.stream(), spelled(item)))
}

/// The item of the first stream in a type, at any depth.
fn item_within(ty: &Type) -> Option<&Type> {
    let own = [REQUEST_STREAM, REPLY_STREAM].into_iter().find_map(|stream| item_of(ty, stream));
    own.or_else(|| match ungrouped_type(ty) {
        Type::Path(_) => type_arguments(ty).into_iter().find_map(item_within),
        Type::Reference(reference) => item_within(&reference.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(item_within),
        Type::Array(array) => item_within(&array.elem),
        Type::Slice(slice) => item_within(&slice.elem),
        _ => None,
    })
}

/// `T` of `Result<T, E>`.
fn held(ty: &Type) -> Option<&Type> {
    item_of(ty, "Result")
}

/// What `impl Stream<Item = T>`, a boxed one or an iterator gives.
fn streamed(ty: &Type) -> Option<&Type> {
    let bounds = match ungrouped_type(ty) {
        Type::ImplTrait(ty) => &ty.bounds,
        Type::TraitObject(ty) => &ty.bounds,
        Type::Reference(reference) => return streamed(&reference.elem),
        other => {
            let arguments = type_arguments(other);
            let name = last_segment(other)?.to_string();
            return match name.as_str() {
                "Pin" | "Box" => arguments.first().copied().and_then(streamed),
                "BoxStream" | "LocalBoxStream" => arguments.first().copied(),
                _ => None,
            };
        }
    };
    bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let last = bound.path.segments.last()?;
            match &last.arguments {
                PathArguments::AngleBracketed(arguments) if last.ident == "Stream" || last.ident == "Iterator" => {
                    arguments.args.iter().find_map(|argument| match argument {
                        GenericArgument::AssocType(item) if item.ident == "Item" => Some(&item.ty),
                        _ => None,
                    })
                }
                _ => None,
            }
        }
        _ => None,
    })
}
