//! `#[settings]`: the settings of a service, in one word.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Fields, Generics, Ident, Item};

use crate::arguments::SETTINGS_KEYS;
use crate::derived::{Derived, Derives, stub};
use crate::diagnostics::{Diagnostics, Expansion, Rule};
use crate::service::kind_of;

const DERIVES: Derives = Derives { taker: "#[settings]", serde: &["Deserialize"], serde_says: "deny_unknown_fields" };

/// Adds the reading half of serde, strict about keys, and the JSON Schema.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Expansion {
    let mut read = match Derived::read(arguments, &item, &SETTINGS_KEYS) {
        Ok(read) => read,
        Err(told) => return told,
    };
    let before = read.diagnostics.len();
    let stub =
        check_item(&read.item, &mut read.diagnostics).map(|(name, generics)| stub(name, generics, &read.crate_path));
    if read.diagnostics.len() > before {
        return Expansion::new(quote!(#item #stub), read.diagnostics);
    }
    read.expand(&DERIVES)
}

/// Tells what cannot be settings; gives the type that needs a stub for that.
fn check_item<'a>(item: &'a Item, diagnostics: &mut Diagnostics) -> Option<(&'a Ident, &'a Generics)> {
    let place = |fields: &Fields, name: &Ident| match fields {
        Fields::Unit => name.to_token_stream(),
        fields => fields.to_token_stream(),
    };
    match item {
        Item::Struct(settings) if matches!(settings.fields, Fields::Named(_)) => {
            if settings.generics.params.is_empty() {
                return None;
            }
            let what =
                format!("settings `{}` have parameters, and a configuration cannot fill them in", settings.ident);
            let help = format!("write `struct {} {{ .. }}`, with the types that are meant", settings.ident);
            diagnostics.error(Rule::ConcreteSettings, &settings.generics, what, help);
            Some((&settings.ident, &settings.generics))
        }
        Item::Struct(settings) => {
            let what = format!("settings `{}` have no names for their fields, and each needs a key", settings.ident);
            let help = format!("write `struct {} {{ name: Type, .. }}`", settings.ident);
            diagnostics.error(Rule::SettingsStruct, place(&settings.fields, &settings.ident), what, help);
            Some((&settings.ident, &settings.generics))
        }
        Item::Enum(choice) => {
            let what = "`#[settings]` goes on a struct with named fields, found an enum";
            let help = "put it into a field of such a struct, with `#[message]` above it";
            diagnostics.error(Rule::SettingsStruct, choice.enum_token, what, help);
            Some((&choice.ident, &choice.generics))
        }
        other => {
            let (kind, place) = kind_of(other);
            let what = format!("`#[settings]` goes on a struct with named fields, found {kind}");
            diagnostics.error(Rule::SettingsStruct, place, what, "write it above `struct LibrarySettings { .. }`");
            None
        }
    }
}
