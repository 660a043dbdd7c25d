//! Every rule has a case in `tests/compile_fail`, and every case breaks the rule that it is named by.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::expand_items;
use crate::diagnostics::Rule;

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
}

#[test]
fn every_id_is_used_once() {
    let ids: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    assert_eq!(ids.len(), Rule::ALL.len());
}

/// Ids with `t` and `x` are rules that rustc decides: types, and names that collide.
#[test]
fn every_case_breaks_the_rule_it_is_named_by() {
    for (name, path) in cases() {
        let id = id_of(&name);
        let rule = Rule::ALL.iter().find(|rule| rule.id() == id);
        let is_rustcs = id.starts_with('t') || id.starts_with('x');
        assert!(rule.is_some() || is_rustcs, "{name} is named by no rule");
        let Some(rule) = rule else { continue };
        let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        let broken: Vec<Rule> =
            expand_items(file.items).iter().flat_map(|expansion| expansion.diagnostics.rules()).collect();
        assert!(broken.contains(rule), "{name} breaks {broken:?}");
    }
}
