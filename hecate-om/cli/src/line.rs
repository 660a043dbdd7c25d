//! What was typed, and which command it is for.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::completions;
use crate::diff;
use crate::failure::{Failure, USAGE};
use crate::lock;
use crate::output::Output;

/// From a name to a deployed service for the Macula mesh.
#[derive(Debug, Parser)]
#[command(name = "hecate-om", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Line {
    /// Print JSON for programs instead of text for people; errors, too.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write down what the services of a package promise their callers, or hold them to it.
    Lock(lock::Arguments),
    /// Tell what differs between two contracts, and what of it breaks callers.
    Diff(diff::Arguments),
    /// Print the completions of a shell.
    Completions(completions::Arguments),
}

/// Does what this process was asked for.
pub(crate) fn main() -> ExitCode {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // Help and version come this way, too: to standard output.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let mut output = Output::new(line.json);
    let done: Result<u8, Failure> = match line.command {
        Command::Lock(arguments) => lock::lock(&arguments, &mut output),
        Command::Diff(arguments) => diff::diff(&arguments, &mut output),
        Command::Completions(arguments) => completions::print(&arguments, &mut output),
    };
    ExitCode::from(done.unwrap_or_else(|failure| {
        let _ = writeln!(io::stderr(), "{}", failure.told(line.json));
        failure.exit_code()
    }))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Line;

    #[test]
    fn the_command_line_is_whole() {
        Line::command().debug_assert();
    }
}
