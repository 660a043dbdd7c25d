use proc_macro2::TokenStream;
use quote::quote;
use serde_json::json;

use super::*;
use crate::package::Package;

fn block() -> TokenStream {
    quote! {
        /// Greets people.
        impl Greeter {
            /// Greets one person.
            #[capability(version = 1)]
            async fn greet(&self) -> Result<Greeting> { todo!() }
            /// Greets many.
            #[capability(version = 2)]
            async fn greet_all(&self) -> Result<ReplyStream<Greeting>> { todo!() }
        }
    }
}

fn told(lock: Lock) -> Vec<String> {
    let package = Package { lock: Some(lock), ..Package::default() };
    let expansion = crate::service::expand(quote!(name = "hecate-greeter", version = "1.0.0"), block(), &package);
    assert_eq!(expansion.manifest.is_some(), expansion.diagnostics.is_empty());
    expansion.diagnostics.messages()
}

fn lock(capabilities: &[(&str, u16, &str)]) -> Lock {
    let capabilities: Vec<_> = capabilities
        .iter()
        .map(|(name, version, kind)| json!({"name": name, "version": version, "kind": kind, "request": {"a": [1, null]}}))
        .collect();
    let services = json!({"hecate-greeter": {"capabilities": capabilities}, "hecate-other": 7});
    Lock::of(&json!({"schema": SCHEMA, "services": services}).to_string())
}

#[test]
fn what_the_lock_says_is_kept_or_told_with_both_ways_out() {
    let kept = [("greeter.greet", 1, "unary"), ("greeter.greet_all", 2, "server_stream")];
    assert_eq!(told(lock(&kept)), [""; 0]);
    assert_eq!(told(lock(&kept[..1])), [""; 0], "what is new breaks nobody");
    assert_eq!(told(lock(&[])), [""; 0]);
    let breaking = "`hecate-om lock --accept-breaking`";
    for (locked, said, help) in [
        (
            ("greeter.wave", 1, "unary"),
            "`greeter.wave@1` is in `contract.lock.json`, and `hecate-greeter` has it no more",
            "put it back, with `deprecated",
        ),
        (
            ("greeter.greet_one", 2, "unary"),
            "was it renamed to `greeter.greet_all@2`?",
            "write `name = \"greeter.greet_one\"` above `greet_all`",
        ),
        (("greeter.greet_all", 1, "unary"), "has it no more, only version 2", "keep version 1 beside it"),
        (
            ("greeter.greet", 1, "bidi"),
            "`greeter.greet@1` is `bidi` in `contract.lock.json`, and `unary` here",
            "`version = 2`",
        ),
    ] {
        let new = kept.into_iter().filter(|(name, ..)| locked.0 != "greeter.greet_one" || *name == "greeter.greet");
        let all: Vec<_> = new
            .filter(|(name, version, _)| (*name, *version) != (locked.0, locked.1))
            .filter(|(name, ..)| locked.0 != *name)
            .chain([locked])
            .collect();
        let found = told(lock(&all));
        assert!(
            found.len() == 1 && found[0].contains(said) && found[0].contains(help) && found[0].contains(breaking),
            "{locked:?}: {found:?}"
        );
        assert_eq!(told(lock(&all).lifted()), [""; 0]);
    }
}

#[test]
fn one_that_went_while_one_came_was_probably_renamed() {
    let found = told(lock(&[("greeter.salute", 1, "unary"), ("greeter.greet_all", 2, "server_stream")]));
    assert!(found.len() == 1 && found[0].contains("was it renamed to `greeter.greet@1`?"), "{found:?}");
}

#[test]
fn a_lock_that_cannot_be_read_is_told_with_its_place() {
    let service =
        |inside: &str| format!("{{\n  \"schema\": \"{SCHEMA}\",\n  \"services\": {{\"hecate-greeter\": {inside}}}\n}}");
    for (text, place, what) in [
        (String::new(), "line 1, column 1: ", "expected a JSON value"),
        ("<<<<<<< ours\n{}".to_owned(), "line 1, column 1: ", "expected a JSON value"),
        (
            "{\n  \"schema\": \"hecate.contract.lock/2\"}".to_owned(),
            "line 2, column 13: ",
            "expected `hecate.contract.lock/1`",
        ),
        ("{}".to_owned(), "line 1, column 1: ", "expected a field `schema`"),
        (service("{}"), "line 3, column 34: ", "expected a field `capabilities`"),
        (service("{\"capabilities\": 1}"), "line 3, column 51: ", "expected an array"),
        (
            service("{\"capabilities\": [{\"name\": \"a.b\", \"version\": 0, \"kind\": \"unary\"}]}"),
            "line 3, ",
            "1 to 65535",
        ),
        (
            service("{\"capabilities\": [{\"name\": \"a.b\", \"version\": 1, \"kind\": \"x\"}]}"),
            "line 3, ",
            "expected a kind",
        ),
        (service("1, \"hecate-greeter\": 2"), "line 3, column 37: ", "\"hecate-greeter\" stands here a second time"),
        (format!("{}1", "[".repeat(200)), "line 1, column 128: ", "too deep"),
    ] {
        let found = told(Lock::of(&text));
        assert!(found.len() == 1 && found[0].contains(place) && found[0].contains(what), "{text}: {found:?}");
    }
}

#[test]
fn json_is_read_where_serde_json_reads_it() {
    let seed = json!({"a": [1, -0.5, 1e3, true, false, null], "b\n\u{1f600}\"\\": {"c": "ä\u{7}"}, "": [[], {}]})
        .to_string()
        + " ";
    let extra = r#"{"x":"\u00e4\ud83d\ude00\/\b\f\n\r\t","y":0,"z":-1.25E+2}"#;
    for seed in [seed.as_str(), extra] {
        let characters: Vec<char> = seed.chars().collect();
        for place in 0..characters.len() {
            for put in [
                None,
                Some('"'),
                Some('\\'),
                Some('{'),
                Some(','),
                Some('0'),
                Some(' '),
                Some('\n'),
                Some('u'),
                Some('ä'),
            ] {
                for replaced in [0, 1] {
                    let mut text: String = characters[..place].iter().collect();
                    text.extend(put);
                    text.extend(&characters[place + replaced..]);
                    // It knows no numbers that are too large, and refuses what stands twice.
                    let theirs = serde_json::from_str::<serde_json::Value>(&text).map_err(|error| error.to_string());
                    let ours = read::json(&text).map_err(|fault| fault.told(&text));
                    let is_twice = ours.as_ref().is_err_and(|fault| fault.contains("second time"));
                    let is_large = theirs.as_ref().is_err_and(|fault| fault.contains("out of range"));
                    assert!(ours.is_ok() == theirs.is_ok() || is_twice || is_large, "{text}: {ours:?} {theirs:?}");
                }
            }
        }
    }
}
