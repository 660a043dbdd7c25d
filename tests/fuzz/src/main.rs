//! A fuzzer for each decoder that the outside reaches, all in one program: to link a dozen takes longer than to
//! run them for a while. `HECATE_FUZZ_TARGET` says which; `.ci/fuzz` runs them.

#![no_main]

#[path = "../../../hecate-om/cli/src/inspect/binary.rs"]
mod binary;
mod planted;
mod program;

use std::sync::LazyLock;

use hecate_om::fuzzing::{TARGETS, Target};

use self::planted::PLANTED;

/// What the runtime does not read, and the CLI does.
const OF_THE_CLI: [(&str, Target); 1] = [("program", program::program)];

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("HECATE_FUZZ_TARGET").unwrap_or_default();
    let known = TARGETS.iter().chain(&OF_THE_CLI).chain(&PLANTED).find(|(known, _)| *known == name);
    let names: Vec<_> = TARGETS.iter().chain(&OF_THE_CLI).map(|(known, _)| *known).collect();
    known.unwrap_or_else(|| panic!("HECATE_FUZZ_TARGET is one of {}", names.join(", "))).1
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| TARGET(input));
