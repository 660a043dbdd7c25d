//! `hecate-om`: from a name to a deployed service.
//!
//! One module per command. What every command shares is `line` (what was typed), `failure` (what went wrong, and
//! the exit code for it) and `output` (for people, or as JSON).

mod completions;
mod contract;
mod diff;
mod failure;
mod line;
mod lock;
mod output;

use std::process::ExitCode;

fn main() -> ExitCode {
    line::main()
}
