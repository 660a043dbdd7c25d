//! What the macros refuse, in words that people read; and what they take, however unusual.
//!
//! `TRYBUILD=overwrite` takes new words over. The files are named by the rule that they break: a test
//! of the macros' own holds that every rule has one, and that each breaks the rule it is named by.

#[test]
fn every_broken_rule_is_told_once_and_in_place() {
    trybuild::TestCases::new().compile_fail("compile_fail/*.rs");
}

#[test]
fn unusual_legal_code_compiles_without_a_warning() {
    trybuild::TestCases::new().pass("compile_pass/*.rs");
}
