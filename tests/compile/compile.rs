//! What the macros refuse, in words that people read. What they take, however unusual, is tried by
//! `tests/tests/hygiene.rs`.
//!
//! `TRYBUILD=overwrite` takes new words over. The files are named by the rule that they break: a test
//! of the macros' own holds that every rule has one, and that each breaks the rule it is named by.

use std::fs;
use std::path::Path;

#[test]
fn every_broken_rule_is_told_once_and_in_place() {
    // All cases are in one package, and so is what their services promised before.
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tests/trybuild").join(env!("CARGO_PKG_NAME"));
    fs::create_dir_all(&package).unwrap();
    fs::copy("compile_fail/contract.lock.json", package.join("contract.lock.json")).unwrap();
    // Checked and never built: no case here may be one that passes.
    trybuild::TestCases::new().compile_fail("compile_fail/*.rs");
}
