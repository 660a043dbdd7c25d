//! One capability of a remote service: `QUERY: "rag.query" = 1, Query -> Answer, idempotent`.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Expr, Ident, LitStr, Token, Type, braced};

use crate::arguments::{self, Integer, REMOTE_KEYS, Read, RemoteArguments};
use crate::diagnostics::{Diagnostics, Rule};
use crate::expand;
use crate::model::Access;
use crate::names::snake_like;
use crate::validate::stream::{self, Direction};
use crate::validate::types::{borrows, is_no_object, is_unnamed, last_segment, lasting, spelled, type_arguments};
use crate::validate::{access, check_dotted, check_length, check_request, checked_version, dotted_like};

const FORM: &str = "`QUERY: \"rag.query\" = 1, Query -> Answer;`";

/// A capability, good enough for a constant whatever is wrong with it.
pub(super) struct Entry {
    pub(super) attributes: Vec<Attribute>,
    pub(super) constant: Ident,
    pub(super) name: Option<String>,
    pub(super) version: Option<u16>,
    pub(super) request: Type,
    pub(super) reply: Type,
    access: Access,
    is_idempotent: bool,
}

impl Entry {
    pub(super) fn address(&self, provider: Option<&LitStr>) -> TokenStream {
        let provider = provider.map(LitStr::value).unwrap_or_default();
        expand::address(&provider, self.name.as_deref().unwrap_or_default(), self.version.unwrap_or(1))
    }

    /// Its name and version, if callers need a token.
    pub(super) fn closed(&self) -> Option<TokenStream> {
        let (name, version) = (self.name.as_deref()?, self.version?);
        (self.access != Access::Open).then(|| quote!((#name, #version)))
    }

    pub(super) fn marks(&self) -> TokenStream {
        expand::marks(&self.access, self.is_idempotent)
    }
}

/// An entry as written.
struct RawEntry {
    attributes: Vec<Attribute>,
    constant: Ident,
    name: LitStr,
    version: Option<Expr>,
    request: Type,
    reply: Type,
    /// What follows the types.
    rest: TokenStream,
}

impl Parse for RawEntry {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let constant = input.parse()?;
        input.parse::<Token![:]>()?;
        let name = input.parse()?;
        let version = if input.parse::<Option<Token![=]>>()?.is_some() { Some(input.parse()?) } else { None };
        input.parse::<Token![,]>()?;
        let request = input.parse()?;
        input.parse::<Token![->]>()?;
        let reply = input.parse()?;
        let rest = if input.is_empty() {
            TokenStream::new()
        } else {
            input.parse::<Token![,]>()?;
            input.parse()?
        };
        Ok(Self { attributes, constant, name, version, request, reply, rest })
    }
}

/// Reads what stands in the braces; what cannot be read is told and left out.
pub(super) fn read(tokens: TokenStream, diagnostics: &mut Diagnostics) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for part in parts(tokens) {
        read_part(part, &mut entries, diagnostics);
    }
    entries
}

/// What stands between the semicolons.
fn parts(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    for token in tokens {
        if matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ';') {
            parts.push(TokenStream::new());
        } else if let Some(last) = parts.last_mut() {
            last.extend([token]);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn read_part(part: TokenStream, entries: &mut Vec<Entry>, diagnostics: &mut Diagnostics) {
    let mut raw: RawEntry = match parse_within(part) {
        Ok(raw) => raw,
        Err(error) => {
            diagnostics.error_at(Rule::RemoteEntry, error.span(), error, format!("write {FORM}"));
            return;
        }
    };
    let next = next_entry(&raw.rest);
    if let Some(constant) = &next {
        let what = format!("the capability before `{constant}` does not end");
        diagnostics.error(Rule::RemoteEntry, constant, what, "write `;` between capabilities instead of `,`");
        let following = std::mem::take(&mut raw.rest);
        entries.extend(validate(raw, entries, diagnostics));
        read_part(following, entries, diagnostics);
        return;
    }
    entries.extend(validate(raw, entries, diagnostics));
}

/// Parses as if there were braces, so that what is missing at the end is told there.
fn parse_within(part: TokenStream) -> syn::Result<RawEntry> {
    let end = part.clone().into_iter().last().map(|token| token.span());
    let mut braces = Group::new(Delimiter::Brace, part);
    braces.set_span(end.unwrap_or_else(Span::call_site));
    let entry = |input: ParseStream| {
        let content;
        braced!(content in input);
        content.parse()
    };
    entry.parse2(braces.into_token_stream())
}

/// The constant of another entry, where one follows.
fn next_entry(rest: &TokenStream) -> Option<Ident> {
    let start = |input: ParseStream| {
        input.call(Attribute::parse_outer)?;
        let constant: Ident = input.parse()?;
        let is_entry = input.peek(Token![:]) && !input.peek(Token![::]);
        input.parse::<TokenStream>()?;
        Ok(is_entry.then_some(constant))
    };
    start.parse2(rest.clone()).ok().flatten()
}

fn validate(raw: RawEntry, before: &[Entry], diagnostics: &mut Diagnostics) -> Option<Entry> {
    let RawEntry { attributes, constant, name, version, request, reply, rest } = raw;
    check_constant(&constant, before, diagnostics);
    let method = constant.unraw().to_string().to_lowercase();
    let value = name.value();
    let scope = before.iter().find_map(|entry| entry.name.as_deref()).and_then(|name| name.split('.').next());
    let like = || format!("\"{}\"", dotted_like(&value, scope, &method));
    let is_good = check_dotted(&value, &name, like, diagnostics)
        && check_length(&value, &name, diagnostics)
        && check_scope(&value, scope, &name, diagnostics);
    let version = read_version(version.as_ref(), &name, diagnostics);
    if let Some(version) = version.filter(|_| is_good) {
        check_unique(&value, version, &name, before, diagnostics);
    }
    let parameter = syn::parse_quote!(request: #request);
    check_request(&constant, &parameter, diagnostics);
    check_reply(&constant, &reply, diagnostics);
    let arguments: Read<RemoteArguments> = arguments::read(rest, &REMOTE_KEYS, diagnostics);
    let access = arguments.access.as_ref().and_then(|written| access(written, diagnostics));
    let is_new = before.iter().all(|other| other.constant != constant);
    let unit = || syn::parse_quote!(());
    is_new.then(|| Entry {
        attributes,
        constant,
        name: is_good.then_some(value),
        version,
        request: lasting(&request, &[]).unwrap_or_else(unit),
        reply: lasting(&reply, &[]).unwrap_or_else(unit),
        access: access.unwrap_or(Access::Realm),
        is_idempotent: arguments.idempotent.is_some(),
    })
}

fn check_constant(constant: &Ident, before: &[Entry], diagnostics: &mut Diagnostics) {
    let name = constant.unraw().to_string();
    let is_upper_snake = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_uppercase()) || !name.chars().all(is_upper_snake) {
        let like = snake_like(&name, "query").to_uppercase();
        let what = format!("`{name}` is the name of a constant, and not upper snake");
        diagnostics.error(Rule::RemoteConstant, constant, what, format!("write `{like}`"));
    }
    if before.iter().any(|other| other.constant == *constant) {
        let what = format!("`{name}` is declared twice");
        diagnostics.error(Rule::UniqueConstant, constant, what, format!("rename one of them, such as `{name}_TOO`"));
    }
}

/// All capabilities of a service have its scope.
fn check_scope(name: &str, scope: Option<&str>, place: &LitStr, diagnostics: &mut Diagnostics) -> bool {
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    let Some(scope) = scope.filter(|scope| *scope != first) else { return true };
    let what =
        format!("capability `{name}` does not start with `{scope}`, as the one before it: a service has one scope");
    let help = format!("write `\"{scope}.{rest}\"`, or describe another service in another `remote_service!`");
    diagnostics.error(Rule::NameInScope, place, what, help);
    false
}

fn read_version(version: Option<&Expr>, name: &LitStr, diagnostics: &mut Diagnostics) -> Option<u16> {
    let help = format!("write `{} = 1`", name.token());
    let Some(version) = version else {
        let what = format!("capability `{}` has no version", name.value());
        diagnostics.error(Rule::CapabilityVersion, name, what, help);
        return None;
    };
    match Integer::of(version) {
        Some(number) => checked_version(&number, help, diagnostics),
        None => {
            let what = format!("a version is a whole number from 1 to 65535, found `{}`", spelled(version));
            diagnostics.error(Rule::VersionRange, version, what, help);
            None
        }
    }
}

fn check_unique(name: &str, version: u16, place: &LitStr, before: &[Entry], diagnostics: &mut Diagnostics) {
    let is_same = |other: &&Entry| other.name.as_deref() == Some(name) && other.version == Some(version);
    if let Some(first) = before.iter().find(is_same) {
        let what = format!("capability `{name}` version {version} is declared twice, first as `{}`", first.constant);
        diagnostics.error(Rule::UniqueCapability, place, what, "remove one of them");
    }
}

fn check_reply(constant: &Ident, reply: &Type, diagnostics: &mut Diagnostics) {
    let text = spelled(reply);
    if last_segment(reply).is_some_and(|name| name == "Result") {
        let inner = type_arguments(reply).first().map_or_else(|| "Answer".to_owned(), spelled);
        let what = format!("the reply of capability `{constant}` is what its `Result` holds, found `{text}`");
        diagnostics.error(Rule::RemoteReply, reply, what, format!("write `-> {inner}`: every call returns a `Result`"));
    } else if stream::check(constant, Direction::Reply, reply, diagnostics) {
        // Told.
    } else if is_unnamed(reply) || borrows(reply) {
        let what = format!("the reply of capability `{constant}` must be owned and have a named type, found `{text}`");
        let help = match stream::meant(reply, Direction::Reply) {
            Some(stream) => format!("write a stream: `-> {stream}`"),
            None => "write a struct of your own: `#[message] struct Answer { .. }`".to_owned(),
        };
        diagnostics.error(Rule::OwnedReply, reply, what, help);
    } else if is_no_object(reply) {
        let what = format!("the reply of capability `{constant}` must be an object on the wire, found `{text}`");
        let help = format!("give it a name in a struct: `#[message] struct Answer {{ value: {text} }}`");
        diagnostics.error(Rule::ObjectReply, reply, what, help);
    }
}
