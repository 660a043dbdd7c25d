//! `hecate-om`: from a name to a deployed service.
//!
//! One module per command. What every command shares is `line` (what was typed), `failure` (what went wrong, and
//! the exit code for it) and `output` (for people, or as JSON).

mod add;
mod call;
mod check;
mod completions;
mod contract;
mod diff;
mod failure;
mod file;
mod inspect;
mod line;
mod lock;
mod manifest;
mod new;
mod output;
mod program;
mod project;
mod render;
mod services;
mod settings;
#[cfg(feature = "macula")]
mod station;
mod template;

use std::process::ExitCode;

fn main() -> ExitCode {
    line::main()
}
