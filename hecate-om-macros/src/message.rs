//! `#[message]`: a type that goes over the wire, in one word.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Fields, Item};

use crate::arguments::MESSAGE_KEYS;
use crate::derived::{Derived, Derives, stub};
use crate::diagnostics::{Expansion, Rule};
use crate::service::kind_of;

const DERIVES: Derives = Derives { taker: "#[message]", serde: &["Serialize", "Deserialize"], serde_says: "" };

/// Adds both serde halves and the JSON Schema.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Expansion {
    let mut read = match Derived::read(arguments, &item, &MESSAGE_KEYS) {
        Ok(read) => read,
        Err(told) => return told,
    };
    match &read.item {
        Item::Struct(item) => {
            if matches!(item.fields, Fields::Unit) {
                let what = format!("message `{}` would be `null` on the wire, not an object", item.ident);
                let help = format!("write `struct {} {{}}`", item.ident);
                read.diagnostics.error(Rule::MessageFields, &item.ident, what, help);
            }
        }
        Item::Enum(_) => {}
        other => {
            let (kind, place) = kind_of(other);
            let (help, stub) = match other {
                Item::Union(union) => (
                    format!("write `struct {0} {{ .. }}` or `enum {0} {{ .. }}`", union.ident),
                    stub(&union.ident, &union.generics, &read.crate_path),
                ),
                Item::Type(_) => {
                    ("remove it: an alias is as good a message as its type is".to_owned(), TokenStream::new())
                }
                _ => ("write it above `struct Request { .. }`".to_owned(), TokenStream::new()),
            };
            let what = format!("`#[message]` goes on a struct or an enum, found {kind}");
            read.diagnostics.error(Rule::MessageType, place, what, help);
            return Expansion::new(quote!(#item #stub), read.diagnostics);
        }
    }
    read.expand(&DERIVES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(arguments: TokenStream, derived: &TokenStream) -> Expansion {
        expand(
            arguments,
            quote!(
                #[derive(#derived)]
                struct Greet {
                    name: String,
                }
            ),
        )
    }

    #[test]
    fn derives_of_the_same_name_from_elsewhere_stay() {
        let derived = quote!(rkyv::Serialize, ::rkyv::Deserialize, crate::wire::JsonSchema);
        for arguments in [quote!(), quote!(crate = crate::om)] {
            let expansion = expanded(arguments, &derived);
            assert!(expansion.diagnostics.is_empty(), "{:?}", expansion.diagnostics.messages());
            assert!(expansion.tokens.to_string().contains(&derived.to_string()));
        }
    }

    #[test]
    fn derives_of_our_own_are_refused_by_whatever_path() {
        for derived in [
            quote!(Serialize),
            quote!(serde::Deserialize),
            quote!(::schemars::JsonSchema),
            quote!(hecate_om::__private::serde::Serialize),
        ] {
            assert_eq!(expanded(quote!(), &derived).diagnostics.rules(), [Rule::DerivedOnce], "{derived}");
        }
        for (arguments, derived) in [
            (quote!(crate = ::om), quote!(om::__private::serde::Serialize)),
            (quote!(crate = crate::om), quote!(crate::om::__private::serde::Serialize)),
        ] {
            assert_eq!(expanded(arguments, &derived).diagnostics.rules(), [Rule::DerivedOnce], "{derived}");
        }
    }
}
