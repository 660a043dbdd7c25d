//! `hecate-om`: from a name to a deployed service.
//!
//! One module per command. What every command shares is `line` (what was typed), `failure` (what went wrong, and
//! the exit code for it) and `output` (for people, or as JSON).

mod add;
mod completions;
mod failure;
mod line;
mod new;
mod output;
mod render;
mod template;

use std::process::ExitCode;

fn main() -> ExitCode {
    line::main()
}
