//! `docs/promises.md` names tests and mutations: they exist, and none is forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The rows of all tables: promise, names of tests, names of mutations.
fn rows() -> Vec<(String, Vec<String>, Vec<String>)> {
    let text = fs::read_to_string(root().join("docs/promises.md")).unwrap();
    let table = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise "));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [promise, tests, mutations] = cells[..] else { panic!("no three cells: {line}") };
        let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        (promise.trim().to_owned(), names(tests), names(mutations))
    };
    table.map(row).collect()
}

/// The names of all tests in a folder and those below it.
fn collect_tests(folder: &Path, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" {
            collect_tests(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let beginnings = ["#[test]\n", "#[tokio::test]\n", "#[tokio::test("];
            for after in beginnings.iter().flat_map(|beginning| text.split(beginning).skip(1)) {
                let name = after.split_once("fn ").and_then(|(_, rest)| rest.split_once('('));
                tests.extend(name.map(|(name, _)| name.to_owned()));
            }
        }
    }
}

pub(crate) fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for folder in ["hecate-om", "hecate-om-macros", "tests"] {
        collect_tests(&root().join(folder), &mut tests);
    }
    tests
}

#[test]
fn every_promise_has_a_test_and_every_test_and_mutation_that_is_named_exists() {
    let (rows, tests) = (rows(), tests());
    assert!(rows.len() > 30 && tests.len() > 200, "{} rows, {} tests", rows.len(), tests.len());
    for (promise, named, mutations) in &rows {
        assert!(!named.is_empty(), "no test keeps this: {promise}");
        for name in named {
            assert!(tests.contains(name), "there is no test `{name}`, which is to keep: {promise}");
        }
        for name in mutations {
            let patch = root().join("tests/mutations").join(format!("{name}.patch"));
            assert!(patch.exists(), "there is no {}, which is to break: {promise}", patch.display());
        }
    }
}

#[test]
fn every_fault_and_every_mutation_stands_beside_a_promise() {
    let rows = rows();
    let named: BTreeSet<&String> = rows.iter().flat_map(|(_, tests, _)| tests).collect();
    let broken: BTreeSet<&String> = rows.iter().flat_map(|(_, _, mutations)| mutations).collect();
    let mut faults = BTreeSet::new();
    collect_tests(&Path::new(env!("CARGO_MANIFEST_DIR")).join("faults"), &mut faults);
    let has_id = |name: &str| name.split('_').next().is_some_and(|id| id.ends_with(|c: char| c.is_ascii_digit()));
    let forgotten: Vec<_> = faults.iter().filter(|name| has_id(name) && !named.contains(name)).collect();
    assert!(forgotten.is_empty(), "not in docs/promises.md: {forgotten:?}");
    let patches = fs::read_dir(root().join("tests/mutations")).unwrap().map(|entry| entry.unwrap().path());
    let names = patches.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let forgotten: Vec<_> = names.filter(|name| !broken.contains(name)).collect();
    assert!(forgotten.is_empty(), "not in docs/promises.md: {forgotten:?}");
}
