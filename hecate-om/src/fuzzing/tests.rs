//! What fuzzers were given and found is tried again with every run of the tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::TARGETS;

/// The corpus of programs, which the CLI reads.
const OF_THE_CLI: &str = "program";

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpora")
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Tries every input of a corpus.
fn replay(target: &str) {
    let (_, run) = TARGETS.iter().find(|(known, _)| *known == target).unwrap();
    let folder = corpora().join(target);
    for name in names_in(&folder) {
        // Seen when the test fails.
        println!("{target}/{name}");
        run(&fs::read(folder.join(name)).unwrap());
    }
}

macro_rules! replays {
    ($($test:ident: $target:literal,)*) => {
        $(#[test]
        fn $test() {
            replay($target);
        })*

        const REPLAYED: &[&str] = &[$($target),*];
    };
}

replays! {
    every_announcement_of_the_corpus_keeps_its_promises: "announcement",
    every_certificate_of_the_corpus_keeps_its_promises: "certificate",
    every_configuration_of_the_corpus_keeps_its_promises: "configuration",
    every_key_file_of_the_corpus_keeps_its_promises: "key_file",
    every_local_request_of_the_corpus_keeps_its_promises: "local_request",
    every_macula_value_of_the_corpus_keeps_its_promises: "macula_value",
    every_manifest_of_the_corpus_keeps_its_promises: "manifest",
    every_request_line_of_the_corpus_keeps_its_promises: "request_lines",
    every_station_info_of_the_corpus_keeps_its_promises: "station_info",
    every_stream_word_of_the_corpus_keeps_its_promises: "stream_words",
    every_token_of_the_corpus_keeps_its_promises: "token",
}

#[test]
fn each_target_has_a_corpus_and_is_replayed() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut here = names_in(&corpora());
    assert!(here.remove(OF_THE_CLI), "the CLI replays its own");
    assert_eq!(here, targets);
    assert_eq!(REPLAYED.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), targets);
    for target in &targets {
        assert!(names_in(&corpora().join(target)).len() >= 8, "the corpus of {target} is small");
    }
}
