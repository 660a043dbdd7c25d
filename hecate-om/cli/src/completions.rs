//! Completions of shells.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};
use serde_json::json;

use crate::failure::Failure;
use crate::line::Line;
use crate::output::Output;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hecate-om completions bash > ~/.local/share/bash-completion/completions/hecate-om

Exit codes:
   0  the completions are printed
  64  the command line is wrong
  74  they cannot be printed")]
pub(crate) struct Arguments {
    /// Of which shell.
    shell: Shell,
}

pub(crate) fn print(arguments: &Arguments, output: &mut Output) -> Result<u8, Failure> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut Line::command(), "hecate-om", &mut script);
    let script = String::from_utf8_lossy(&script);
    output.result(&script, &json!({"shell": arguments.shell.to_string(), "script": script}))?;
    Ok(0)
}
