//! Every rule has a case in `tests/compile_fail`, and every case breaks the rule that it is named by.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{expand_items, package};
use crate::diagnostics::Rule;
use crate::lock::Lock;
use crate::package::Package;

/// The rules that rustc decides: what needs types, and names that collide.
const OF_RUSTC: &[(&str, &str)] = &[
    ("t01", "a request can be read, and has a schema"),
    ("t02", "a reply can be written, and has a schema"),
    ("t03", "an error of a handler refuses"),
    ("t04", "what handlers and callbacks await can change threads"),
    ("t05", "a service is shared between threads"),
    ("t06", "a handler returns a `Result`, whatever it is called"),
    ("t07", "only a service is run"),
    ("t08", "a service starts by itself, or says how"),
    ("t09", "a transparent refusal holds a refusal"),
    ("t10", "a detail of a refusal can be written"),
    ("t11", "a field of a message is one itself"),
    ("t12", "the error of `start` is an error"),
    ("t13", "the settings of a service can be read, and have a schema"),
    ("t14", "what a service uses is one"),
    ("t15", "what a service calls, it says that it uses"),
    ("t16", "a call is made from a call or a context"),
    ("t17", "the request of a call can be written"),
    ("t18", "the reply of a call can be read"),
    ("t19", "a stream is written in the signature, not behind an alias"),
    ("t20", "a stream says what it holds"),
    ("x01", "a callback stands in the service's block"),
    ("x02", "a type has one service block"),
    ("x03", "the constant of a capability is free"),
    ("x04", "`capability` is imported where it is written"),
];

fn cases() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/compile_fail");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path)).collect()
}

fn id_of(name: &str) -> &str {
    name.split('_').next().unwrap_or_default()
}

#[test]
fn every_rule_has_a_case() {
    let ids: BTreeSet<String> = cases().iter().map(|(name, _)| id_of(name).to_owned()).collect();
    let missing: Vec<_> = Rule::ALL.iter().filter(|rule| !ids.contains(rule.id())).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    let missing: Vec<_> = OF_RUSTC.iter().filter(|(id, _)| !ids.contains(*id)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn every_id_is_used_once() {
    let of_rustc = OF_RUSTC.iter().map(|(id, _)| *id);
    let ids: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.id()).chain(of_rustc).collect();
    assert_eq!(ids.len(), Rule::ALL.len() + OF_RUSTC.len());
}

#[test]
fn every_case_says_what_it_gives() {
    let silent = cases().into_iter().filter(|(_, path)| !path.with_extension("stderr").exists());
    let silent: Vec<_> = silent.map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "no expected words for {silent:?}");
}

#[test]
fn every_case_breaks_the_rule_it_is_named_by() {
    let lock =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/compile_fail/contract.lock.json"));
    let package = Package { description: None, lock: Some(Lock::of(&lock.unwrap())), ..package() };
    for (name, path) in cases() {
        let id = id_of(&name);
        let rule = Rule::ALL.iter().find(|rule| rule.id() == id);
        let is_rustcs = OF_RUSTC.iter().any(|(known, _)| *known == id);
        assert!(rule.is_some() || is_rustcs, "{name} is named by no rule");
        let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        // What `macro_rules!` makes, only rustc sees.
        let is_made = file.items.iter().any(|item| matches!(item, syn::Item::Macro(call) if call.ident.is_some()));
        let broken: Vec<Rule> =
            expand_items(file.items, &package).iter().flat_map(|expansion| expansion.diagnostics.rules()).collect();
        match rule {
            Some(rule) => assert!(is_made || broken.contains(rule), "{name} breaks {broken:?}"),
            None => assert!(broken.is_empty(), "{name} breaks {broken:?}"),
        }
    }
}
