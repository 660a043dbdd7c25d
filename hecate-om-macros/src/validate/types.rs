//! What the tokens of a type tell of it, and how a type is named in a message.

use proc_macro2::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, Lifetime, PathArguments, Type, TypePath};

/// The tokens as their author wrote them, for messages.
pub(crate) fn spelled(tokens: impl ToTokens) -> String {
    let text = tokens.to_token_stream().to_string();
    let tight = [
        (" :: ", "::"),
        (":: ", "::"),
        (" : ", ": "),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" ,", ","),
        ("' ", "'"),
        ("- ", "-"),
    ];
    tight.into_iter().fold(text, |text, (loose, tight)| text.replace(loose, tight))
}

/// The tokens without any blank that could be left out.
pub(crate) fn compact(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    for part in tokens.to_token_stream().to_string().split_whitespace() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if text.ends_with(is_word) && part.starts_with(is_word) {
            text.push(' ');
        }
        text.push_str(part);
    }
    text
}

/// A type without the invisible groups that `macro_rules!` puts around what it hands on.
pub(crate) fn ungrouped_type(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            other => return other,
        };
    }
}

/// The last name of a path, `Result` of `std::result::Result<A, B>`.
pub(crate) fn last_segment(ty: &Type) -> Option<&Ident> {
    match ungrouped_type(ty) {
        Type::Path(path) => path.path.segments.last().map(|last| &last.ident),
        _ => None,
    }
}

/// The types in the angle brackets of the last name of a path.
pub(crate) fn type_arguments(ty: &Type) -> Vec<&Type> {
    let Type::Path(TypePath { path, .. }) = ungrouped_type(ty) else { return Vec::new() };
    let Some(PathArguments::AngleBracketed(arguments)) = path.segments.last().map(|last| &last.arguments) else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(ungrouped_type(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

const PRIMITIVE: [&str; 17] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
    "usize", "str",
];

/// Whether a type is one of the language's own.
pub(crate) fn is_primitive(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|name| PRIMITIVE.iter().any(|primitive| name == primitive))
}

fn is_generic(ty: &Type, names: &[&str]) -> bool {
    last_segment(ty).is_some_and(|name| names.iter().any(|known| name == known)) && !type_arguments(ty).is_empty()
}

/// `T` of `Option<T>`.
pub(crate) fn optional(ty: &Type) -> Option<&Type> {
    is_generic(ty, &["Option"]).then(|| type_arguments(ty).first().copied()).flatten()
}

/// What callers stream, by the names of their types: an alias of them is no stream to the macros.
pub(crate) const REQUEST_STREAM: &str = "RequestStream";
pub(crate) const REPLY_STREAM: &str = "ReplyStream";

/// `I` of `RequestStream<I>`, where `stream` is that name. One without `I` is another type of that name, or
/// rustc's to tell.
pub(crate) fn item_of<'a>(ty: &'a Type, stream: &str) -> Option<&'a Type> {
    last_segment(ty).filter(|name| *name == stream).and_then(|_| type_arguments(ty).first().copied())
}

/// Whether no alias can make a `Result` of this type.
pub(crate) fn is_surely_no_result(ty: &Type) -> bool {
    match ungrouped_type(ty) {
        Type::Path(_) => {
            is_primitive(ty)
                || last_segment(ty).is_some_and(|name| name == "String" || name == "Self")
                || is_generic(ty, &["Option", "Vec", REQUEST_STREAM, REPLY_STREAM])
        }
        Type::Macro(_) => false,
        _ => true,
    }
}

/// Whether a type is surely something else than an object on the wire.
pub(crate) fn is_no_object(ty: &Type) -> bool {
    match ungrouped_type(ty) {
        Type::Tuple(tuple) => !tuple.elems.is_empty(),
        Type::Array(_) | Type::Slice(_) => true,
        _ => {
            is_primitive(ty)
                || last_segment(ty).is_some_and(|name| name == "String" || name == "PathBuf")
                || is_generic(ty, &["Vec", "VecDeque", "Option", "HashSet", "BTreeSet"])
        }
    }
}

/// Whether a type has no name of its own: `impl Trait`, `dyn Trait`, also in a box or pinned.
pub(crate) fn is_unnamed(ty: &Type) -> bool {
    match ungrouped_type(ty) {
        Type::ImplTrait(_) | Type::TraitObject(_) => true,
        Type::Reference(reference) => is_unnamed(&reference.elem),
        _ => is_generic(ty, &["Box", "Arc", "Rc", "Pin"]) && type_arguments(ty).into_iter().any(is_unnamed),
    }
}

/// Whether a type holds a reference or a lifetime that ends.
pub(crate) fn borrows(ty: &Type) -> bool {
    fn any(tokens: TokenStream) -> bool {
        let mut quote = false;
        tokens.into_iter().any(|token| match token {
            TokenTree::Group(group) => any(group.stream()),
            TokenTree::Punct(punct) => {
                quote = punct.as_char() == '\'';
                punct.as_char() == '&'
            }
            TokenTree::Ident(name) => std::mem::take(&mut quote) && name != "static",
            TokenTree::Literal(_) => false,
        })
    }
    any(ty.to_token_stream())
}

/// A type in which every lifetime is `'static`, written or not; for a constant that only a block with
/// errors has. None where the type has no name, or names one of `parameters`.
pub(crate) fn lasting(ty: &Type, parameters: &[&Ident]) -> Option<Type> {
    if is_unnamed(ty)
        || matches!(ungrouped_type(ty), Type::Slice(_))
        || last_segment(ty).is_some_and(|name| name == "str")
    {
        return None;
    }
    let tokens = with_static_lifetimes(ty.to_token_stream());
    let named = |name: &Ident| parameters.contains(&name) || name == "impl";
    if names_any(tokens.clone(), &named) {
        return None;
    }
    syn::parse2(tokens).ok()
}

fn names_any(tokens: TokenStream, named: &impl Fn(&Ident) -> bool) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => names_any(group.stream(), named),
        TokenTree::Ident(name) => named(&name),
        _ => false,
    })
}

/// Tokens in which every lifetime is `'static`, and every reference has one.
pub(crate) fn with_static_lifetimes(tokens: TokenStream) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut changed = TokenStream::new();
    let lasting = |at: Span| Lifetime::new("'static", at).into_token_stream();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let mut new = Group::new(group.delimiter(), with_static_lifetimes(group.stream()));
                new.set_span(group.span());
                changed.extend([TokenTree::Group(new)]);
            }
            TokenTree::Punct(quote) if quote.as_char() == '\'' && quote.spacing() == Spacing::Joint => {
                tokens.next();
                changed.extend(lasting(quote.span()));
            }
            TokenTree::Punct(and) if and.as_char() == '&' => {
                let at = and.span();
                changed.extend([TokenTree::Punct(and)]);
                if !matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'') {
                    changed.extend(lasting(at));
                }
            }
            other => changed.extend([other]),
        }
    }
    changed
}

/// Where the first token is, looking into groups without delimiters.
pub(crate) fn first_span(tokens: impl ToTokens) -> Span {
    match tokens.into_token_stream().into_iter().next() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::None => first_span(group.stream()),
        Some(token) => token.span(),
        None => Span::call_site(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn a_type_that_borrows_is_told_from_one_that_owns() {
        for borrowing in [parse_quote!(&str), parse_quote!(Cow<'_, str>), parse_quote!(Vec<&'a str>)] {
            assert!(borrows(&borrowing), "{}", spelled(&borrowing));
        }
        for owning in [parse_quote!(String), parse_quote!(Cow<'static, str>), parse_quote!([u8; 4])] {
            assert!(!borrows(&owning), "{}", spelled(&owning));
        }
    }

    #[test]
    fn a_borrowed_type_can_be_made_to_last() {
        let lasting = |ty: Type| lasting(&ty, &[&parse_quote!(N)]).map(spelled);
        assert_eq!(lasting(parse_quote!(&str)).as_deref(), Some("&'static str"));
        assert_eq!(lasting(parse_quote!(Cow<'_, [&u8]>)).as_deref(), Some("Cow<'static, [&'static u8]>"));
        assert_eq!(lasting(parse_quote!(impl Into<String>)), None);
        assert_eq!(lasting(parse_quote!(Vec<N>)), None);
        assert_eq!(lasting(parse_quote!(Box<dyn Any>)), None);
    }

    #[test]
    fn only_what_cannot_be_an_alias_is_no_result() {
        for surely in [parse_quote!(Vec<u8>), parse_quote!(()), parse_quote!(impl Stream), parse_quote!(Option<A>)] {
            assert!(is_surely_no_result(&surely), "{}", spelled(&surely));
        }
        for maybe in [parse_quote!(Outcome), parse_quote!(Vec), parse_quote!(io::Result<A>)] {
            assert!(!is_surely_no_result(&maybe), "{}", spelled(&maybe));
        }
    }
}
