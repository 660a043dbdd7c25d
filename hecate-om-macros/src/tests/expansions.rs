//! The whole output of the macros, for people to read in a review.

use std::fs;
use std::path::Path;

use quote::quote;

use super::{expand_items, package, pretty};

/// Compares what the items of `<name>.rs` become with `<name>.expanded.rs`.
fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/expansions");
    let source = fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap();
    let expansions = expand_items(syn::parse_file(&source).unwrap().items, &package());
    let tokens = expansions.into_iter().map(|expansion| {
        assert!(expansion.diagnostics.is_empty(), "{:?}", expansion.diagnostics.messages());
        expansion.tokens
    });
    let expanded = pretty(quote!(#(#tokens)*));
    let expected = folder.join(format!("{name}.expanded.rs"));
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&expected, &expanded).unwrap();
    }
    let expected = fs::read_to_string(&expected).unwrap_or_default();
    assert!(expanded == expected, "the expansion of {name}.rs changed; UPDATE_EXPECTED=1 takes it over:\n{expanded}");
}

#[test]
fn a_service_expands_to_little() {
    check("service");
}

#[test]
fn callbacks_of_the_author_are_called_by_name() {
    check("callbacks");
}

#[test]
fn messages_and_refusals_expand_to_derives_and_one_impl() {
    check("messages");
}

#[test]
fn what_others_offer_expands_to_a_name_and_constants() {
    check("remote");
}

#[test]
fn streams_and_limits_expand_to_what_is_not_the_default() {
    check("streams");
}
