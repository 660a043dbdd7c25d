//! What was typed, and which command it is for.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::failure::{Failure, USAGE};
use crate::output::Output;
#[cfg(feature = "macula")]
use crate::station;
use crate::{add, call, check, completions, diff, inspect, lock, manifest, new, render, services};

/// From a name to a deployed service for the Macula mesh.
#[derive(Debug, Parser)]
#[command(name = "hecate-om", version, max_term_width = 100)]
pub(crate) struct Line {
    /// Print JSON for programs instead of text for people; errors, too.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at the project, its environment and its files, and say what to do.
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
    /// Make a service: sources, tests, image, units, workflows.
    #[command(visible_alias = "scaffold")]
    New(new::Arguments),
    /// Add a capability to the service in this folder.
    Add(add::Arguments),
    /// Print what a service is deployed with, from its manifest.
    Render(render::Arguments),
    /// Write down what the services of a package promise their callers, or hold them to it.
    Lock(lock::Arguments),
    /// Tell what differs between two contracts, and what of it breaks callers.
    Diff(diff::Arguments),
    /// Print the completions of a shell.
    Completions(completions::Arguments),
}

/// The commands as help shows them, by what they are about; one that stands in no group comes last.
const GROUPS: [(&str, &[&str]); 2] = [
    ("A service, from its name on", &["new", "add", "check", "manifest", "inspect", "lock", "diff", "render"]),
    ("What runs", &["services", "call", "station"]),
];

/// The first that somebody types.
const BEGIN: &str = "\
To begin:
  hecate-om new hecate-weather                       a service, in a folder of that name
  cargo test                                         in that folder
  cargo run                                          start it
  hecate-om call weather.greet@1 '{\"name\":\"Ada\"}'    call it, from another shell
  hecate-om render quadlet                           what it is deployed with

Exit codes are those of sysexits.h, and 1 is a plain no: `hecate-om COMMAND --help` lists them.";

/// The command line, with the commands in their groups.
pub(crate) fn command() -> clap::Command {
    let command = Line::command();
    let about = |name: &str| {
        let found = command.get_subcommands().find(|known| known.get_name() == name);
        let also = |command: &clap::Command| {
            command.get_visible_aliases().map(|alias| format!("; also `{alias}`")).collect::<String>()
        };
        found.and_then(|found| Some(format!("  {name:<14}{}{}\n", found.get_about()?, also(found))))
    };
    let mut text = String::new();
    for (title, names) in GROUPS {
        let lines: String = names.iter().filter_map(|name| about(name)).collect();
        if !lines.is_empty() {
            text += &format!("{title}:\n{lines}\n");
        }
    }
    let is_grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let others: String = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .filter(|name| !is_grouped(name))
        .filter_map(about)
        .collect();
    if !others.is_empty() {
        text += &format!("Besides:\n{others}\n");
    }
    let template =
        format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{text}Options:\n{{options}}\n\n{BEGIN}\n");
    command.help_template(template)
}

/// What clap says of a wrong command line, in one line, and what it proposes.
fn usage(text: &str) -> (String, String) {
    let in_one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    // What is wrong comes first and may have several lines; then a tip, perhaps, and what all errors say.
    let mut parts = text.trim_start_matches("error: ").split("\n\n");
    let what = in_one_line(parts.next().unwrap_or_default());
    let tip = parts.find_map(|part| part.trim_start().strip_prefix("tip: "));
    (what, tip.map_or("hecate-om --help, or hecate-om COMMAND --help".to_owned(), in_one_line))
}

/// Does what this process was asked for.
pub(crate) fn main() -> ExitCode {
    let line = match command().try_get_matches().and_then(|matches| Line::from_arg_matches(&matches)) {
        Ok(line) => line,
        Err(error) => {
            // Help and version come this way, too: to standard output.
            if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
                let (what, help) = usage(&error.to_string());
                let failure = Failure::new(USAGE, what).help(help);
                let _ = writeln!(io::stderr(), "{}", failure.told(true));
            } else {
                let _ = error.print();
            }
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
        Command::New(arguments) => new::run(&arguments, &mut output),
        Command::Add(arguments) => add::run(&arguments, &mut output),
        Command::Render(arguments) => render::run(&arguments, &mut output),
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
    use super::*;

    #[test]
    fn the_command_line_is_whole() {
        Line::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example_and_its_exit_codes() {
        for command in Line::command().get_subcommands() {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let name = command.get_name();
            let has_example = text.contains("\nExample") || text.starts_with("Example");
            assert!(has_example && text.contains(&format!("hecate-om {name}")), "{name} shows no example");
            let (_, codes) = text.split_once("Exit codes:\n").unwrap_or_else(|| panic!("{name} tells no exit codes"));
            let codes: Vec<u8> =
                codes.lines().map(|line| line.trim().split(' ').next().unwrap().parse().unwrap()).collect();
            assert!(codes.is_sorted() && codes.first() == Some(&0) && codes.contains(&USAGE), "{name}: {codes:?}");
        }
    }

    #[test]
    fn a_wrong_command_line_is_told_whole_in_one_line() {
        let told = |words: &[&str]| {
            let error = command().try_get_matches_from([&["hecate-om"], words].concat()).unwrap_err();
            usage(&error.to_string())
        };
        let (what, help) = told(&["new"]);
        assert_eq!(what, "the following required arguments were not provided: <NAME>");
        assert!(help.contains("hecate-om COMMAND --help"), "{help}");
        let (what, help) = told(&["servces"]);
        assert_eq!(what, "unrecognized subcommand 'servces'");
        assert!(help.contains("'services'"), "{help}");
        let (what, _) = told(&["render", "moon"]);
        assert_eq!(what, "invalid value 'moon' for '<WHAT>' [possible values: quadlet, compose, k8s, containerfile]");
    }

    #[test]
    fn help_has_every_command_once() {
        let help = command().render_help().to_string();
        for command in Line::command().get_subcommands() {
            let name = format!("\n  {:<14}", command.get_name());
            assert_eq!(help.matches(&name).count(), 1, "{help}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}
