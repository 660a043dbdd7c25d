//! The arguments of the attributes, read by darling once their keys are known to be right.

mod value;

use std::ops::Deref;

use darling::FromMeta;
use darling::ast::NestedMeta;
use proc_macro2::TokenStream;

use crate::crate_path::RawCratePath;
use crate::diagnostics::{Diagnostics, Rule};
use crate::names::nearest;

pub(crate) use value::{Flag, Integer, Nested, Text, Texts, TypeName, Word, ungrouped};

/// What an author wrote in `#[hecate_service(...)]`.
#[derive(FromMeta, Default)]
#[darling(default)]
pub(crate) struct ServiceArguments {
    pub(crate) name: Option<Text>,
    pub(crate) description: Option<Text>,
    pub(crate) version: Option<Text>,
    pub(crate) scope: Option<Text>,
    pub(crate) access: Option<Word>,
    pub(crate) uses: Option<Nested>,
    pub(crate) identity: Option<Nested>,
    pub(crate) display_name: Option<Text>,
    pub(crate) depends_on: Option<Texts>,
    pub(crate) image: Option<Text>,
    pub(crate) license: Option<Text>,
    pub(crate) repository: Option<Text>,
    pub(crate) tenancy: Option<Text>,
    pub(crate) runs_on: Option<Text>,
    pub(crate) ports: Option<Nested>,
    pub(crate) volumes: Option<Nested>,
    pub(crate) settings: Option<TypeName>,
    #[darling(rename = "crate")]
    pub(crate) crate_path: Option<RawCratePath>,
}

/// What an author wrote in `ports(...)`.
#[derive(FromMeta, Default)]
#[darling(default)]
pub(crate) struct PortArguments {
    pub(crate) health: Option<Integer>,
}

/// What an author wrote in `volumes(...)`.
#[derive(FromMeta, Default)]
#[darling(default)]
pub(crate) struct VolumeArguments {
    pub(crate) secrets: Option<Text>,
    pub(crate) state: Option<Text>,
}

/// What an author wrote in `identity(...)`.
#[derive(FromMeta, Default)]
#[darling(default)]
pub(crate) struct IdentityArguments {
    pub(crate) actions: Option<Texts>,
    pub(crate) resources: Option<Texts>,
    pub(crate) ttl_days: Option<Integer>,
}

/// What an author wrote in `#[capability(...)]`.
#[derive(FromMeta, Default)]
#[darling(default)]
pub(crate) struct CapabilityArguments {
    pub(crate) name: Option<Text>,
    pub(crate) version: Option<Integer>,
    pub(crate) access: Option<Word>,
    pub(crate) timeout: Option<Text>,
    pub(crate) limits: Option<Nested>,
    pub(crate) confidential: Option<Word>,
    pub(crate) idempotent: Option<Flag>,
    pub(crate) cancel_on_disconnect: Option<Flag>,
    pub(crate) deprecated: Option<Text>,
}

/// What an author wrote in `limits(...)`.
#[derive(FromMeta, Default)]
#[darling(default)]
pub(crate) struct LimitArguments {
    pub(crate) payload: Option<Text>,
    pub(crate) reply: Option<Text>,
    pub(crate) concurrency: Option<Integer>,
    pub(crate) per_caller: Option<Text>,
    pub(crate) total: Option<Text>,
}

/// What an author wrote after the types of a capability in `remote_service!`.
#[derive(FromMeta, Default)]
#[darling(default)]
pub(crate) struct RemoteArguments {
    pub(crate) access: Option<Word>,
    pub(crate) idempotent: Option<Flag>,
}

/// What an author wrote in `#[message(...)]`, `#[settings(...)]` or, on the enum, in `#[refusal(...)]`.
#[derive(FromMeta, Default)]
#[darling(default)]
pub(crate) struct CrateArgument {
    #[darling(rename = "crate")]
    pub(crate) crate_path: Option<RawCratePath>,
}

/// The keys that an attribute takes.
pub(crate) struct Keys {
    /// What takes them, as errors name it.
    pub(crate) taker: &'static str,
    pub(crate) known: &'static [&'static str],
    /// Where else a key may belong, and how to say so.
    pub(crate) elsewhere: &'static [(&'static Keys, &'static str)],
}

pub(crate) static SERVICE_KEYS: Keys = Keys {
    taker: "#[hecate_service]",
    known: &[
        "name",
        "description",
        "version",
        "scope",
        "access",
        "uses",
        "identity",
        "display_name",
        "depends_on",
        "image",
        "license",
        "repository",
        "tenancy",
        "runs_on",
        "ports",
        "volumes",
        "settings",
        "crate",
    ],
    elsewhere: &[
        (&CAPABILITY_KEYS, "write it in `#[capability(..)]`"),
        (&PORT_KEYS, "write it in `ports(..)`"),
        (&VOLUME_KEYS, "write it in `volumes(..)`"),
        (&IDENTITY_KEYS, "write it in `identity(..)`"),
        (&LIMIT_KEYS, "write it in `#[capability(.., limits(..))]`"),
    ],
};

pub(crate) static IDENTITY_KEYS: Keys = Keys {
    taker: "identity",
    known: &["actions", "resources", "ttl_days"],
    elsewhere: &[(&SERVICE_KEYS, "write it in `#[hecate_service(..)]`")],
};

pub(crate) static PORT_KEYS: Keys =
    Keys { taker: "ports", known: &["health"], elsewhere: &[(&SERVICE_KEYS, "write it in `#[hecate_service(..)]`")] };

pub(crate) static VOLUME_KEYS: Keys = Keys {
    taker: "volumes",
    known: &["secrets", "state"],
    elsewhere: &[(&SERVICE_KEYS, "write it in `#[hecate_service(..)]`")],
};

pub(crate) static CAPABILITY_KEYS: Keys = Keys {
    taker: "#[capability]",
    known: &[
        "name",
        "version",
        "access",
        "timeout",
        "limits",
        "confidential",
        "idempotent",
        "cancel_on_disconnect",
        "deprecated",
    ],
    elsewhere: &[(&SERVICE_KEYS, "write it in `#[hecate_service(..)]`"), (&LIMIT_KEYS, "write it in `limits(..)`")],
};

pub(crate) static LIMIT_KEYS: Keys = Keys {
    taker: "limits",
    known: &["payload", "reply", "concurrency", "per_caller", "total"],
    elsewhere: &[(&CAPABILITY_KEYS, "write it in `#[capability(..)]`, beside `limits(..)`")],
};

pub(crate) static REMOTE_KEYS: Keys = Keys {
    taker: "remote_service!",
    known: &["access", "idempotent"],
    elsewhere: &[
        (&CAPABILITY_KEYS, "leave it out: its provider says so"),
        (&LIMIT_KEYS, "leave it out: its provider says so"),
    ],
};

pub(crate) static MESSAGE_KEYS: Keys = Keys { taker: "#[message]", known: &["crate"], elsewhere: &[] };

pub(crate) static SETTINGS_KEYS: Keys = Keys { taker: "#[settings]", known: &["crate"], elsewhere: &[] };

pub(crate) static REFUSAL_KEYS: Keys = Keys {
    taker: "#[refusal]",
    known: &["crate"],
    elsewhere: &[(&VARIANT_KEYS, "write it above the variant that holds the other refusal")],
};

pub(crate) static VARIANT_KEYS: Keys = Keys { taker: "#[refusal]", known: &["transparent"], elsewhere: &[] };

/// Arguments, and which of them their author tried to give.
#[derive(Default)]
pub(crate) struct Read<A> {
    arguments: A,
    attempted: Vec<String>,
    unreadable: bool,
}

impl<A> Read<A> {
    /// Whether something is told of this argument already, so that to miss it would be a second,
    /// false error.
    pub(crate) fn attempted(&self, key: &str) -> bool {
        self.unreadable || self.attempted.iter().any(|attempted| attempted == key)
    }
}

impl<A> Deref for Read<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.arguments
    }
}

/// Reads arguments as `A`; what cannot be read is a diagnostic, and its argument is left out.
pub(crate) fn read<A: FromMeta + Default>(tokens: TokenStream, keys: &Keys, diagnostics: &mut Diagnostics) -> Read<A> {
    let mut read = Read::default();
    let listed = match NestedMeta::parse_meta_list(tokens) {
        Ok(listed) => listed,
        Err(error) => {
            let message = format!("{error}\nhelp: write `argument = value`, with `,` between arguments");
            diagnostics.foreign(Rule::Readable, syn::Error::new(error.span(), message));
            read.unreadable = true;
            return read;
        }
    };
    let mut kept: Vec<NestedMeta> = Vec::new();
    for item in listed {
        if is_known(&item, keys, &mut read, diagnostics) {
            kept.push(item);
        }
    }
    read.arguments = A::from_list(&kept).unwrap_or_else(|errors| {
        diagnostics.foreign(Rule::ArgumentValue, errors);
        // The rest is still good: read what stands alone without an error.
        kept.retain(|item| A::from_list(std::slice::from_ref(item)).is_ok());
        A::from_list(&kept).unwrap_or_default()
    });
    read
}

fn is_known<A>(item: &NestedMeta, keys: &Keys, read: &mut Read<A>, diagnostics: &mut Diagnostics) -> bool {
    let taker = keys.taker;
    let expected = format!("`{taker}` takes {}", quoted(keys.known));
    let NestedMeta::Meta(meta) = item else {
        let first = keys.known.first().unwrap_or(&"name");
        let what = format!("`{taker}` takes arguments by name, found a literal");
        let help = format!("write `{first} = {}`; {expected}", quote::quote!(#item));
        diagnostics.error(Rule::ArgumentValue, item, what, help);
        read.unreadable = true;
        return false;
    };
    let key = meta.path().segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>().join("::");
    if !keys.known.contains(&key.as_str()) {
        if let Some((_, help)) = keys.elsewhere.iter().find(|(other, _)| other.known.contains(&key.as_str())) {
            let what = format!("`{key}` is no argument of `{taker}`");
            diagnostics.error(Rule::ArgumentLevel, meta.path(), what, help);
            return false;
        }
        let help = match (taker_of(&key, keys), nearest(&key, keys.known)) {
            (Some(argument), _) => {
                let word = quote::quote!(#meta).to_string().replace(' ', "");
                format!("write `{argument} = {word}`; {expected}")
            }
            (None, Some(near)) => {
                read.attempted.push(near.to_owned());
                format!("did you mean `{near}`? {expected}")
            }
            (None, None) => expected,
        };
        diagnostics.error(Rule::KnownArgument, meta.path(), format!("unknown argument `{key}`"), help);
        return false;
    }
    if read.attempted.contains(&key) {
        diagnostics.error(Rule::ArgumentOnce, meta.path(), format!("`{key}` is given twice"), "remove one of them");
        return false;
    }
    read.attempted.push(key);
    true
}

/// The words that stand for themselves only after an argument's name.
const WORDS: [(&str, &[&str]); 2] =
    [("access", &["open", "realm", "issuer"]), ("confidential", &["off", "preferred", "required"])];

/// The argument that takes this word.
fn taker_of(word: &str, keys: &Keys) -> Option<&'static str> {
    let takes =
        |(key, words): &(&'static str, &[&str])| (words.contains(&word) && keys.known.contains(key)).then_some(*key);
    WORDS.iter().find_map(takes)
}

/// `a`, `b` and `c`, each in backticks.
pub(crate) fn quoted(words: &[&str]) -> String {
    let ticked: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match ticked.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => ticked.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn rules_of<A: FromMeta + Default>(tokens: TokenStream, keys: &Keys) -> (Read<A>, Vec<Rule>) {
        let mut diagnostics = Diagnostics::default();
        let arguments = read(tokens, keys, &mut diagnostics);
        (arguments, diagnostics.rules())
    }

    #[test]
    fn every_known_key_has_a_field() {
        let all =
            [&SERVICE_KEYS, &PORT_KEYS, &VOLUME_KEYS, &IDENTITY_KEYS, &CAPABILITY_KEYS, &LIMIT_KEYS, &REMOTE_KEYS];
        for keys in all.into_iter().chain([&MESSAGE_KEYS, &SETTINGS_KEYS]) {
            for key in keys.known {
                let mut diagnostics = Diagnostics::default();
                let is_flag = ["idempotent", "cancel_on_disconnect"].contains(key);
                let tokens: TokenStream = format!("{key}{}", if is_flag { " = 1" } else { "" }).parse().unwrap();
                match keys.taker {
                    "#[hecate_service]" => drop(read::<ServiceArguments>(tokens, keys, &mut diagnostics)),
                    "ports" => drop(read::<PortArguments>(tokens, keys, &mut diagnostics)),
                    "volumes" => drop(read::<VolumeArguments>(tokens, keys, &mut diagnostics)),
                    "identity" => drop(read::<IdentityArguments>(tokens, keys, &mut diagnostics)),
                    "limits" => drop(read::<LimitArguments>(tokens, keys, &mut diagnostics)),
                    "remote_service!" => drop(read::<RemoteArguments>(tokens, keys, &mut diagnostics)),
                    "#[capability]" => drop(read::<CapabilityArguments>(tokens, keys, &mut diagnostics)),
                    _ => drop(read::<CrateArgument>(tokens, keys, &mut diagnostics)),
                }
                // Without a value, or a flag with one, each is wrong in its own words; a key without a field would be darling's.
                assert_eq!(diagnostics.rules(), [Rule::ArgumentValue], "{key}");
                assert!(
                    diagnostics.messages()[0].starts_with(&format!("`{key}` takes")),
                    "{:?}",
                    diagnostics.messages()
                );
            }
        }
    }

    #[test]
    fn one_wrong_argument_does_not_hide_the_others() {
        let tokens = quote!(name = 3, verzion = "1.0.0", scope = "x", scope = "y", timeout = "1s");
        let (arguments, rules) = rules_of::<ServiceArguments>(tokens, &SERVICE_KEYS);
        assert_eq!(rules, [Rule::KnownArgument, Rule::ArgumentOnce, Rule::ArgumentLevel, Rule::ArgumentValue]);
        assert_eq!(arguments.scope.as_ref().unwrap().value, "x");
        assert!(arguments.name.is_none());
    }
}
