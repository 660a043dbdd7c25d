//! Doc comments as text.

use syn::{Attribute, Expr, Lit, Meta};

use crate::arguments::ungrouped;

/// The doc comment of an item.
pub(crate) struct Doc<'a> {
    /// Its text; empty where there is none.
    pub(crate) text: String,
    /// The first `#[doc = ...]` that is no literal, so that nobody can read it here.
    pub(crate) unreadable: Option<&'a Attribute>,
}

impl<'a> Doc<'a> {
    pub(crate) fn of(attributes: &'a [Attribute]) -> Self {
        let mut lines: Vec<String> = Vec::new();
        let mut unreadable = None;
        for attribute in attributes {
            let Meta::NameValue(pair) = &attribute.meta else { continue };
            if !pair.path.is_ident("doc") {
                continue;
            }
            if let Expr::Lit(literal) = ungrouped(&pair.value)
                && let Lit::Str(text) = &literal.lit
            {
                // An empty `///` is a line, too.
                lines.extend(text.value().split('\n').map(str::to_owned));
            } else {
                unreadable = unreadable.or(Some(attribute));
            }
        }
        Self { text: dedented(&lines), unreadable }
    }
}

/// The lines without the indentation that all of them share, and without blank ends.
fn dedented(lines: &[String]) -> String {
    let indent = |line: &String| line.len() - line.trim_start_matches(' ').len();
    let shared = lines.iter().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let stripped = lines.iter().map(|line| line.get(shared..).unwrap_or_default().trim_end());
    stripped.collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(attributes: &[Attribute]) -> String {
        Doc::of(attributes).text
    }

    #[test]
    fn the_text_is_what_rustdoc_shows() {
        let item: syn::ItemStruct = syn::parse_quote! {
            /// First.
            ///
            ///     code
            #[derive(Debug)]
            /// Last.
            struct X;
        };
        assert_eq!(text(&item.attrs), "First.\n\n    code\nLast.");
    }

    #[test]
    fn a_doc_that_is_no_literal_is_found() {
        let item: syn::ItemStruct = syn::parse_quote! { #[doc = include_str!("x.md")] struct X; };
        assert!(Doc::of(&item.attrs).unreadable.is_some());
        assert_eq!(text(&item.attrs), "");
    }
}
