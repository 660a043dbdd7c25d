//! Reads a command line; a typing mistake is told with what may have been meant.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::Arg;
use serde_json::{Map, Value};

use super::limits;
use crate::config::Flags;
use crate::nearest::nearest;

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Run(Flags),
    Check(Flags),
    Config { flags: Flags, is_json: bool },
    Health { flags: Flags, is_ready: bool },
    Call { flags: Flags, capability: String, request: String },
    Limits { flags: Flags, capability: Option<String>, change: Map<String, Value>, is_json: bool },
    Manifest,
    Contract,
    Help,
    Version,
}

const COMMANDS: [&str; 9] = ["run", "check", "config", "health", "call", "limits", "manifest", "contract", "help"];

/// The options, each with the commands that it goes with.
const OPTIONS: [(&str, &[&str]); 9] = [
    ("config", &["run", "check", "config", "health", "call", "limits"]),
    ("strict", &["run", "check", "config", "health", "call", "limits"]),
    ("json", &["config", "limits"]),
    ("ready", &["health"]),
    ("payload", &["limits"]),
    ("reply", &["limits"]),
    ("concurrency", &["limits"]),
    ("per-caller", &["limits"]),
    ("total", &["limits"]),
];

/// # Errors
/// What is wrong with it.
pub(super) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut words: Vec<String> = Vec::new();
    let mut given: Vec<&str> = Vec::new();
    let mut flags = Flags::default();
    let mut change = Map::new();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Value(word) => words.push(word.into_string().map_err(|word| format!("{word:?} is no text"))?),
            Arg::Long(name) => {
                let Some((option, _)) = OPTIONS.iter().find(|(known, _)| *known == name) else {
                    return Err(unknown_option(name));
                };
                given.push(option);
                if *option == "config" {
                    let file = parser.value().map_err(|_| "`--config` takes a TOML file".to_owned())?;
                    flags.files.push(PathBuf::from(file));
                } else if let Some((_, field)) = limits::OPTIONS.iter().find(|(known, _)| known == option) {
                    let value = parser.value().ok().and_then(|value| value.into_string().ok()).unwrap_or_default();
                    change.insert((*field).to_owned(), limits::read(option, &value)?);
                }
            }
            other @ Arg::Short(_) => return Err(other.unexpected().to_string()),
        }
    }
    flags.is_strict = given.contains(&"strict");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let command = words.first().copied().unwrap_or("run");
    for (option, commands) in OPTIONS.iter().filter(|(option, _)| given.contains(option)) {
        if COMMANDS.contains(&command) && !commands.contains(&command) {
            let commands: Vec<_> = commands.iter().map(|command| format!("`{command}`")).collect();
            return Err(format!("`--{option}` goes with {}", commands.join(", ")));
        }
    }
    let call = |capability: &str, request: &str, flags| Command::Call {
        flags,
        capability: capability.to_owned(),
        request: request.to_owned(),
    };
    match words.as_slice() {
        [] | ["run"] => Ok(Command::Run(flags)),
        ["check"] => Ok(Command::Check(flags)),
        ["config"] => Ok(Command::Config { flags, is_json: given.contains(&"json") }),
        ["health"] => Ok(Command::Health { flags, is_ready: given.contains(&"ready") }),
        ["limits"] if !change.is_empty() => Err("which capability? limits greeter.greet --concurrency 10".to_owned()),
        ["limits", ..] if words.len() <= 2 => Ok(Command::Limits {
            flags,
            capability: words.get(1).map(|capability| (*capability).to_owned()),
            change,
            is_json: given.contains(&"json"),
        }),
        ["limits", _, extra, ..] => Err(format!("`limits` takes one capability, found `{extra}`, too")),
        ["manifest"] => Ok(Command::Manifest),
        ["contract"] => Ok(Command::Contract),
        ["help"] => Ok(Command::Help),
        ["call", capability] => Ok(call(capability, "", flags)),
        ["call", capability, request] => Ok(call(capability, request, flags)),
        ["call", ..] => {
            Err("`call` takes a capability and its request: call greeter.greet '{\"name\":\"you\"}'".to_owned())
        }
        [known, extra, ..] if COMMANDS.contains(known) => Err(format!("`{known}` takes nothing more, found `{extra}`")),
        [unknown, ..] => match nearest(unknown, COMMANDS.into_iter()).first() {
            Some(near) => Err(format!("unknown command `{unknown}`; did you mean `{near}`?")),
            None => Err(format!("unknown command `{unknown}`")),
        },
    }
}

fn unknown_option(name: &str) -> String {
    let known = OPTIONS.iter().map(|(option, _)| *option).chain(["help", "version"]);
    match nearest(name, known).first() {
        Some(near) => format!("unknown option `--{name}`; did you mean `--{near}`?"),
        None => format!("unknown option `--{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_service_runs_unless_it_is_told_otherwise() {
        let none = Flags::default;
        assert_eq!(parsed(""), Ok(Command::Run(none())));
        assert_eq!(parsed("run"), Ok(Command::Run(none())));
        assert_eq!(parsed("health --ready"), Ok(Command::Health { flags: none(), is_ready: true }));
        assert_eq!(parsed("config --json"), Ok(Command::Config { flags: none(), is_json: true }));
        assert_eq!(parsed("run --help"), Ok(Command::Help));
        let call = Command::Call { flags: none(), capability: "echo.say@2".to_owned(), request: "{}".to_owned() };
        assert_eq!(parsed("call echo.say@2 {}"), Ok(call));
    }

    #[test]
    fn limits_are_those_of_one_capability_where_they_change() {
        let limits = |capability: Option<&str>, change: Value, is_json| {
            let Value::Object(change) = change else { panic!("{change}") };
            Ok(Command::Limits { flags: Flags::default(), capability: capability.map(str::to_owned), change, is_json })
        };
        assert_eq!(parsed("limits"), limits(None, json!({}), false));
        assert_eq!(parsed("limits echo.say@2 --json"), limits(Some("echo.say@2"), json!({}), true));
        let change = json!({"concurrency": 10, "per_caller": {"calls": 100, "period_ms": 10_000}, "reply_bytes": 1024});
        let line = "limits --concurrency 10 echo.say --per-caller=100/10s --reply 1KiB";
        assert_eq!(parsed(line), limits(Some("echo.say"), change, false));
    }

    #[test]
    fn files_are_kept_in_their_order() {
        let flags = Flags { files: vec!["b.toml".into(), "a.toml".into()], is_strict: true };
        assert_eq!(parsed("--config b.toml run --strict --config=a.toml"), Ok(Command::Run(flags.clone())));
        assert_eq!(parsed("--config b.toml --strict --config=a.toml"), Ok(Command::Run(flags.clone())));
        assert_eq!(parsed("check --config b.toml --strict --config a.toml"), Ok(Command::Check(flags)));
    }

    #[test]
    fn typing_mistakes_are_told() {
        assert_eq!(parsed("helth").unwrap_err(), "unknown command `helth`; did you mean `health`?");
        assert_eq!(parsed("manifest now").unwrap_err(), "`manifest` takes nothing more, found `now`");
        assert_eq!(parsed("--redy").unwrap_err(), "unknown option `--redy`; did you mean `--ready`?");
        assert_eq!(parsed("--confg x").unwrap_err(), "unknown option `--confg`; did you mean `--config`?");
        assert_eq!(parsed("--colour").unwrap_err(), "unknown option `--colour`");
        assert_eq!(parsed("--config").unwrap_err(), "`--config` takes a TOML file");
        assert_eq!(parsed("run --json").unwrap_err(), "`--json` goes with `config`, `limits`");
        assert_eq!(parsed("run --total 1/1s").unwrap_err(), "`--total` goes with `limits`");
        assert_eq!(
            parsed("limits --total 1/1s").unwrap_err(),
            "which capability? limits greeter.greet --concurrency 10"
        );
        assert_eq!(
            parsed("limits a.b --per-caller").unwrap_err(),
            "`--per-caller` takes a rate, such as 100/10s, found ``"
        );
        assert_eq!(parsed("limits a.b c.d").unwrap_err(), "`limits` takes one capability, found `c.d`, too");
        assert_eq!(
            parsed("call").unwrap_err(),
            "`call` takes a capability and its request: call greeter.greet '{\"name\":\"you\"}'"
        );
    }
}
