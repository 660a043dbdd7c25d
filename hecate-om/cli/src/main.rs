//! `hecate-om`: from a name to a deployed service.
//!
//! One module per command. What every command shares is `line` (what was typed), `failure` (what went wrong, and
//! the exit code for it) and `output` (for people, or as JSON).

mod call;
mod check;
mod completions;
mod failure;
mod inspect;
mod line;
mod manifest;
mod output;
mod project;
mod services;
mod settings;
#[cfg(feature = "macula")]
mod station;

use std::process::ExitCode;

fn main() -> ExitCode {
    line::main()
}
