//! `docs/lessons.md`: every incident has its row, and what a row names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::promises::{root, tests};

/// The rows that may be open. What is settled leaves this list, and nothing comes onto it.
const OPEN: [(&str, &str); 5] =
    [("P59", "containers"), ("P60", "release"), ("P62", "containers"), ("P66", "release"), ("P74", "release")];

struct Row {
    id: String,
    what: String,
    state: String,
    holds: String,
    evidence: Vec<String>,
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/lessons.md")).unwrap();
    let is_row = |line: &&str| line.starts_with("| P") || line.starts_with("| L");
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_start_matches("| ").trim_end_matches('|').split(" | ").collect();
        let [id, what, state, holds, evidence] = cells[..] else { panic!("no five cells: {line}") };
        let evidence = evidence.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Row { id: id.to_owned(), what: what.to_owned(), state: state.to_owned(), holds: holds.to_owned(), evidence }
    };
    text.lines().filter(is_row).map(row).collect()
}

/// The texts of a file, or of all files in a folder; none where there is nothing.
fn texts(path: &Path, found: &mut Vec<String>) {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
        entries.filter(|entry| entry.file_name() != "target").for_each(|entry| texts(&entry.path(), found));
    } else if let Ok(bytes) = fs::read(path) {
        found.push(String::from_utf8_lossy(&bytes).into_owned());
    }
}

/// Whether something that a row names is what the row says.
fn is_so(evidence: &str, tests: &BTreeSet<String>) -> bool {
    let holds = |path: &str, text: &str| {
        let mut found = Vec::new();
        texts(&root().join(path), &mut found);
        (!found.is_empty(), found.iter().any(|found| found.contains(text)))
    };
    if let Some((path, text)) = evidence.split_once(" # ") {
        holds(path, text) == (true, true)
    } else if let Some((path, text)) = evidence.split_once(" ! ") {
        holds(path, text) == (true, false)
    } else if evidence.contains('/') {
        // A case is worth nothing without the words that it is refused with.
        let path = root().join(evidence);
        path.is_file() && (!is_case(evidence) || path.with_extension("stderr").is_file())
    } else {
        tests.contains(evidence)
    }
}

fn is_case(evidence: &str) -> bool {
    evidence.starts_with("tests/compile_fail/")
}

/// The exit codes of a state, where it is one that has any.
fn codes(state: &str) -> Option<Vec<&str>> {
    state.strip_prefix("boot ends, ").map(|codes| codes.split(" or ").collect())
}

fn open(state: &str) -> Option<&str> {
    state.strip_prefix("open (")?.strip_suffix(')')
}

#[test]
fn every_lesson_has_one_row() {
    let ids: Vec<String> = rows().into_iter().map(|row| row.id).collect();
    let expected = (1..=82).map(|number| format!("P{number}")).chain((1..=18).map(|number| format!("L{number}")));
    assert_eq!(ids, Vec::from_iter(expected), "each once, in order");
}

#[test]
fn every_lesson_is_kept_by_what_it_names() {
    let (rows, tests) = (rows(), tests());
    let known = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    for Row { id, what, state, holds, evidence } in &rows {
        assert!(!what.trim().is_empty() && !holds.trim().is_empty(), "{id} says nothing");
        let wrong: Vec<_> = evidence.iter().filter(|named| !is_so(named, &tests)).collect();
        assert!(wrong.is_empty(), "{id} names what is not so: {wrong:?}");
        // What runs: a test of Rust, or a part of the gate.
        let runs = evidence.iter().any(|named| tests.contains(named) || named.starts_with(".ci/"));
        let is_kept = match (state.as_str(), codes(state)) {
            (_, Some(codes)) => {
                for code in codes {
                    assert!(known.contains(&format!("| {code} | ")), "{id}: {code} is no exit code");
                }
                runs
            }
            ("compile error", _) => evidence.iter().any(|named| is_case(named)),
            ("test", _) => runs,
            ("not here", _) => true,
            (state, _) => open(state).is_some(),
        };
        assert!(is_kept, "{id} is `{state}`, and names nothing that keeps it so");
    }
}

#[test]
fn only_known_lessons_are_open() {
    let rows = rows();
    let found: Vec<_> = rows.iter().filter_map(|row| Some((row.id.as_str(), open(&row.state)?))).collect();
    assert_eq!(found, OPEN, "what is settled leaves the list, and nothing comes onto it");
}

/// The value of a key in TOML, wherever it first stands at the beginning of a line.
fn value(file: &str, key: &str) -> String {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
    line.unwrap_or_else(|| panic!("no `{key}` in {file}")).to_owned()
}

#[test]
fn one_toolchain_is_named_once() {
    let channel = value("rust-toolchain.toml", "channel");
    let oldest = value("Cargo.toml", "rust-version");
    let (channel, oldest) = (channel.trim_matches('"'), oldest.trim_matches('"'));
    assert_eq!(channel.rsplit_once('.').map(|(minor, _)| minor), Some(oldest), "a whole version, and of the oldest");
    assert_eq!(value("tests/benches/Cargo.toml", "rust-version").trim_matches('"'), oldest);
    // Whatever builds asks rustup, which reads that file.
    for folder in [".ci", ".github", ".cargo"] {
        let mut found = Vec::new();
        texts(&root().join(folder), &mut found);
        for text in found {
            let words = ["toolchain:", "rustup default", "rustup override", "cargo +", "RUSTUP_TOOLCHAIN", oldest];
            let named = words.iter().find(|word| text.contains(**word));
            assert_eq!(named, None, "in {folder}");
        }
    }
}

#[test]
fn the_sdk_of_the_mesh_has_one_version_everywhere() {
    let pinned = value("Cargo.toml", "macula-rust");
    assert!(pinned.starts_with("\"="), "records that one version signs another may refuse: {pinned}");
    assert_eq!(value("tests/benches/Cargo.toml", "macula-rust"), pinned);
    let version = pinned.trim_matches('"').trim_start_matches('=');
    for lock in ["Cargo.lock", "tests/benches/Cargo.lock"] {
        let text = fs::read_to_string(root().join(lock)).unwrap();
        let locked: Vec<_> = text.split("name = \"macula-rust\"\nversion = \"").skip(1).collect();
        assert!(locked.len() == 1 && locked[0].starts_with(&format!("{version}\"")), "{lock}: {}", locked.len());
        // Every package comes from the one registry, or from this tree: nobody's branch is a version.
        assert!(!text.contains("git+"), "{lock}");
    }
}

#[test]
fn the_changelog_begins_with_the_version_of_the_packages() {
    let version = value("Cargo.toml", "version");
    let text = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let first = text.lines().find_map(|line| line.strip_prefix("## ")).unwrap();
    assert!(first.split(',').next() == Some(version.trim_matches('"')), "{first}, and {version}");
}
