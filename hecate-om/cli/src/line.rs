//! What was typed, and which command it is for.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::{Failure, USAGE};
use crate::output::Output;
#[cfg(feature = "macula")]
use crate::station;
use crate::{call, check, completions, inspect, manifest, services};

/// From a name to a deployed service for the Macula mesh.
#[derive(Debug, Parser)]
#[command(
    name = "hecate-om",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "\
To begin, in the folder of a service:
  hecate-om check                                     is all well?
  cargo run                                           start it
  hecate-om call echo.say '{\"text\":\"hello\"}'        and talk to it, from another shell

Exit codes are those of sysexits.h; 1 is a plain no. `hecate-om COMMAND --help` lists those of a command."
)]
pub(crate) struct Line {
    /// Print JSON for programs instead of text for people; errors, too.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at the project, the environment and the files, and say what to do about what is wrong.
    Check(check::Arguments),
    /// Tell the manifests that a binary keeps, without running it.
    Inspect(inspect::Arguments),
    /// Print the manifest of the service in this folder.
    Manifest(manifest::Arguments),
    /// List the services that run on this box, with their health.
    Services(services::Arguments),
    /// Call a capability, on this box or over the mesh.
    Call(call::Arguments),
    /// Run the development station of this box in the foreground.
    #[cfg(feature = "macula")]
    Station(station::Arguments),
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
        Command::Check(arguments) => check::check(&arguments, &mut output),
        Command::Inspect(arguments) => inspect::inspect(&arguments, &mut output),
        Command::Manifest(arguments) => manifest::print(&arguments, &mut output),
        Command::Services(arguments) => services::list(&arguments, &mut output),
        Command::Call(arguments) => call::call(&arguments, &mut output),
        #[cfg(feature = "macula")]
        Command::Station(arguments) => station::run(&arguments, &mut output),
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
