//! Reads an `impl` block without looking into the bodies of its functions.
//!
//! A body is nobody's business here: leaving it as tokens is faster, and half-typed code in it stays
//! rustc's to complain about, so that editors keep working.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Generics, ImplItem, Meta, Path, Signature, Token, Type, Visibility, WhereClause, braced};

use crate::validate::meant;

/// An `impl` block.
pub(crate) struct Block {
    pub(crate) attributes: Vec<Attribute>,
    keywords: TokenStream,
    pub(crate) generics: Generics,
    pub(crate) of_trait: Option<Path>,
    trait_tokens: TokenStream,
    pub(crate) self_type: Type,
    inner_attributes: Vec<Attribute>,
    pub(crate) items: Vec<BlockItem>,
}

/// What stands in a block.
pub(crate) enum BlockItem {
    Method(Box<Method>),
    /// Anything else: constants, types, macro calls.
    Other(Box<ImplItem>),
}

/// A function of a block.
pub(crate) struct Method {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    modifiers: TokenStream,
    pub(crate) signature: Signature,
    body: TokenTree,
}

impl Parse for Block {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        // `pub impl` is rustc's to tell.
        let mut keywords = input.parse::<Visibility>()?.into_token_stream();
        while input.peek(Token![default]) || input.peek(Token![unsafe]) || input.peek(Token![const]) {
            keywords.extend([input.parse::<TokenTree>()?]);
        }
        input.parse::<Token![impl]>()?.to_tokens(&mut keywords);
        // `impl <T as Trait>::Type {}` is rare enough: `<` opens parameters.
        let mut generics: Generics = if input.peek(Token![<]) { input.parse()? } else { Generics::default() };

        let negation: Option<Token![!]> = input.parse()?;
        let first: Type = input.parse()?;
        let (of_trait, trait_tokens, self_type) = match input.parse::<Option<Token![for]>>()? {
            Some(for_token) => {
                let of_trait = syn::parse2(first.to_token_stream())?;
                (Some(of_trait), quote!(#negation #first #for_token), input.parse()?)
            }
            None => (None, TokenStream::new(), first),
        };
        generics.where_clause = input.parse()?;

        let content;
        braced!(content in input);
        let inner_attributes = content.call(Attribute::parse_inner)?;
        let mut items = Vec::new();
        while !content.is_empty() {
            items.push(content.parse()?);
        }
        Ok(Self { attributes, keywords, generics, of_trait, trait_tokens, self_type, inner_attributes, items })
    }
}

impl Parse for BlockItem {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let method = input.fork();
        match method.parse::<Method>() {
            Ok(parsed) => {
                input.advance_to(&method);
                Ok(BlockItem::Method(Box::new(parsed)))
            }
            Err(error) if looks_like_function(&input.fork()) => Err(error),
            Err(_) => input.parse().map(|item| BlockItem::Other(Box::new(item))),
        }
    }
}

fn looks_like_function(input: ParseStream) -> bool {
    let qualified = input.call(Attribute::parse_outer).is_ok() && input.parse::<Visibility>().is_ok();
    while input.peek(Token![const]) || input.peek(Token![async]) || input.peek(Token![unsafe]) {
        if input.parse::<TokenTree>().is_err() {
            return false;
        }
    }
    qualified && input.peek(Token![fn])
}

impl Parse for Method {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let mut modifiers = TokenStream::new();
        if input.peek(syn::Ident) && !input.peek(Token![fn]) {
            // `default fn`
            modifiers.extend([input.parse::<TokenTree>()?]);
        }
        let signature = input.parse()?;
        let body: TokenTree = input.parse()?;
        match &body {
            TokenTree::Group(_) => {}
            TokenTree::Punct(semicolon) if semicolon.as_char() == ';' => {}
            other => return Err(syn::Error::new(other.span(), "expected a function body")),
        }
        Ok(Self { attributes, visibility, modifiers, signature, body })
    }
}

impl Block {
    pub(crate) fn methods(&self) -> impl Iterator<Item = &Method> {
        self.items.iter().filter_map(|item| match item {
            BlockItem::Method(method) => Some(&**method),
            BlockItem::Other(_) => None,
        })
    }

    /// The names of the constants that the author wrote.
    pub(crate) fn constants(&self) -> impl Iterator<Item = &Ident> {
        self.items.iter().filter_map(|item| match item {
            BlockItem::Other(item) => match &**item {
                ImplItem::Const(constant) => Some(&constant.ident),
                _ => None,
            },
            BlockItem::Method(_) => None,
        })
    }

    pub(crate) fn where_clause(&self) -> Option<&WhereClause> {
        self.generics.where_clause.as_ref()
    }

    /// Makes an inherent block of one of `impl Service for ..`, and of a pointer's the type's itself:
    /// what was meant is emitted, so that it is not told a second time.
    pub(crate) fn mend(&mut self) {
        if self.of_trait.as_ref().is_some_and(|path| path.segments.last().is_some_and(|last| last.ident == "Service")) {
            self.of_trait = None;
            self.trait_tokens = TokenStream::new();
        }
        if let Some(meant) = meant(&self.self_type) {
            self.self_type = meant.clone();
        }
    }

    /// Takes the macro calls out of the block.
    pub(crate) fn take_macro_calls(&mut self) -> Vec<ImplItem> {
        let is_call = |item: &BlockItem| matches!(item, BlockItem::Other(item) if matches!(**item, ImplItem::Macro(_)));
        let (calls, items) = std::mem::take(&mut self.items).into_iter().partition(is_call);
        self.items = items;
        let calls: Vec<BlockItem> = calls;
        let item = |item| match item {
            BlockItem::Other(item) => Some(*item),
            BlockItem::Method(_) => None,
        };
        calls.into_iter().filter_map(item).collect()
    }
}

/// The block as it was written, without our own attributes on its items.
impl ToTokens for Block {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, keywords, generics, trait_tokens, self_type, inner_attributes, items, .. } = self;
        let where_clause = self.where_clause();
        tokens.extend(quote! {
            #(#attributes)*
            #keywords #generics #trait_tokens #self_type #where_clause { #(#inner_attributes)* #(#items)* }
        });
    }
}

impl ToTokens for BlockItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            BlockItem::Method(method) => method.to_tokens(tokens),
            BlockItem::Other(item) => without_capability((**item).clone()).to_tokens(tokens),
        }
    }
}

impl ToTokens for Method {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, visibility, modifiers, signature, body } = self;
        let attributes =
            attributes.iter().filter(|attribute| !is_capability(attribute) && !names_capability(attribute));
        tokens.extend(quote!(#(#attributes)* #visibility #modifiers #signature #body));
    }
}

/// Whether an attribute is called `capability`, by whatever path.
pub(crate) fn is_capability(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|last| last.ident == "capability")
}

/// Whether a `cfg_attr` may add a `capability`.
pub(crate) fn names_capability(attribute: &Attribute) -> bool {
    conditional(&attribute.meta)
        .iter()
        .any(|inner| inner.path().segments.last().is_some_and(|last| last.ident == "capability"))
}

/// What a `cfg_attr` may become, however deep.
pub(crate) fn conditional(attribute: &Meta) -> Vec<Meta> {
    let Meta::List(list) = attribute else { return Vec::new() };
    if !list.path.is_ident("cfg_attr") {
        return Vec::new();
    }
    let inner = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap_or_default();
    let inner = inner.into_iter().skip(1);
    inner.flat_map(|inner| if inner.path().is_ident("cfg_attr") { conditional(&inner) } else { vec![inner] }).collect()
}

/// The attributes of an item that is no function.
pub(crate) fn attributes_of(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        ImplItem::Macro(item) => &item.attrs,
        _ => &[],
    }
}

fn without_capability(mut item: ImplItem) -> ImplItem {
    match &mut item {
        ImplItem::Const(item) => item.attrs.retain(|attribute| !is_capability(attribute)),
        ImplItem::Fn(item) => item.attrs.retain(|attribute| !is_capability(attribute)),
        ImplItem::Type(item) => item.attrs.retain(|attribute| !is_capability(attribute)),
        ImplItem::Macro(item) => item.attrs.retain(|attribute| !is_capability(attribute)),
        _ => {}
    }
    item
}
