//! Who may call: `access = open`, `realm` or `issuer("<64 hex digits>")`.

use quote::ToTokens;
use syn::{Expr, ExprCall, ExprLit, Lit};

use super::types::spelled;
use crate::arguments::{Word, ungrouped};
use crate::diagnostics::{Diagnostics, Rule};
use crate::model::Access;
use crate::names::nearest;

const FORMS: &str = "`open`, `realm` or `issuer(\"<64 hex digits>\")`";

/// Reads who may call.
pub(crate) fn access(Word(written): &Word, diagnostics: &mut Diagnostics) -> Option<Access> {
    match ungrouped(written) {
        Expr::Path(path) => match path.path.get_ident().map(ToString::to_string).as_deref() {
            Some("open") => Some(Access::Open),
            Some("realm") => Some(Access::Realm),
            Some("issuer") => {
                let what = "`access = issuer` does not say whose tokens it takes";
                let help = "write `access = issuer(\"...\")`, with the id of the node that grants them, 64 hex digits";
                diagnostics.error(Rule::IssuerNode, written, what, help);
                None
            }
            _ => unknown(written, &spelled(path), diagnostics),
        },
        Expr::Call(call) if matches!(&*call.func, Expr::Path(path) if path.path.is_ident("issuer")) => {
            issuer(call, diagnostics)
        }
        Expr::Call(call) => unknown(written, &spelled(&call.func), diagnostics),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => unknown(written, &text.value(), diagnostics),
        other => unknown(written, &spelled(other), diagnostics),
    }
}

/// Tells of what is none of the words, where `word` is the nearest thing to one.
fn unknown(written: &Expr, word: &str, diagnostics: &mut Diagnostics) -> Option<Access> {
    let what = format!("`access` is {FORMS}, found `{}`", spelled(written));
    let help = match nearest(word, &["open", "realm", "issuer"]) {
        Some("issuer") => "write `access = issuer(\"...\")`, with the id of a node, 64 hex digits".to_owned(),
        Some(near) if near == word => format!("write `access = {near}`, a word by itself"),
        Some(near) => format!("did you mean `access = {near}`?"),
        None => "write `access = open` to let anyone on the mesh call, or leave it out".to_owned(),
    };
    diagnostics.error(Rule::AccessWord, written, what, help);
    None
}

fn issuer(call: &ExprCall, diagnostics: &mut Diagnostics) -> Option<Access> {
    let text = match call.args.iter().map(ungrouped).collect::<Vec<_>>().as_slice() {
        [Expr::Lit(ExprLit { lit: Lit::Str(text), .. })] => Some(text.value()),
        _ => None,
    };
    if let Some(node) = text.as_deref().and_then(node_id) {
        return Some(Access::Issuer(node));
    }
    let found = match &text {
        Some(text) if text.chars().all(|c| c.is_ascii_hexdigit()) => format!("{} of them", text.len()),
        Some(text) => format!("`{text}`"),
        None if call.args.is_empty() => "nothing".to_owned(),
        None => format!("`{}`", spelled(&call.args)),
    };
    let what = format!("an issuer is the id of a node, a string of 64 hex digits, found {found}");
    let help = "write `access = issuer(\"...\")`, with the id of the node that grants the tokens";
    let place = if call.args.is_empty() { call.func.to_token_stream() } else { call.args.to_token_stream() };
    diagnostics.error(Rule::IssuerNode, place, what, help);
    None
}

/// The bytes of 64 hex digits.
fn node_id(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|&[high, low]| u8::try_from(digit(high)? * 16 + digit(low)?).ok()).collect();
    if rest.is_empty() { bytes?.try_into().ok() } else { None }
}
