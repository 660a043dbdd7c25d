//! The command line of every service: run it, look at it, call it.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::net::{TcpStream, UnixStream};

use crate::client::{CallError, LocalClient, exchange};
use crate::config::{Config, settings_help};
use crate::contract::Contract;
use crate::exit;
use crate::folder::ServicePaths;
use crate::lifecycle::{self, program};
use crate::listener::raise_file_limit;
use crate::nearest::nearest;
use crate::service::{Blueprint, ServiceInfo};
use crate::telemetry::{self, Audience, chain};

/// The exit codes of `health` and `call`, besides those of every command.
const REFUSED: u8 = 1;
const UNREACHABLE: u8 = 2;
const DEGRADED: u8 = 3;
const UNKNOWN: u8 = 4;

const COMMANDS: [&str; 5] = ["run", "manifest", "contract", "health", "call"];

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Run,
    Manifest,
    Contract,
    Health { ready: bool },
    Call { capability: String, request: String },
    Help,
    Version,
}

/// Does what the command line of this process asks for.
pub(crate) fn main(blueprint: Blueprint) -> ExitCode {
    let info = blueprint.info;
    let code = match parse(std::env::args_os().skip(1)) {
        Ok(Command::Run) => run(blueprint),
        Ok(Command::Manifest) => print(info.manifest),
        Ok(Command::Contract) => print(&Contract::of(blueprint).to_json()),
        Ok(Command::Health { ready }) => with_client(info, async |config| health(info, config, ready).await),
        Ok(Command::Call { capability, request }) => {
            with_client(info, async |config| call(info, config, &capability, request).await)
        }
        Ok(Command::Help) => print(&help(info)),
        Ok(Command::Version) => print(&format!("{} {}\n", info.name, info.version)),
        Err(wrong) => {
            complain(&format!("{wrong}; help: {} --help", info.name));
            exit::USAGE
        }
    };
    ExitCode::from(code)
}

fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut words: Vec<String> = Vec::new();
    let mut ready = false;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(Command::Help),
            lexopt::Arg::Short('V') | lexopt::Arg::Long("version") => return Ok(Command::Version),
            lexopt::Arg::Long("ready") => ready = true,
            lexopt::Arg::Value(word) => words.push(word.into_string().map_err(|word| format!("{word:?} is no text"))?),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if ready && words != ["health"] {
        return Err("`--ready` goes with `health`".to_owned());
    }
    match words.as_slice() {
        [] | ["run"] => Ok(Command::Run),
        ["manifest"] => Ok(Command::Manifest),
        ["contract"] => Ok(Command::Contract),
        ["health"] => Ok(Command::Health { ready }),
        ["help"] => Ok(Command::Help),
        ["call", capability] => Ok(Command::Call { capability: (*capability).to_owned(), request: String::new() }),
        ["call", capability, request] => {
            Ok(Command::Call { capability: (*capability).to_owned(), request: (*request).to_owned() })
        }
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

fn help(info: &ServiceInfo) -> String {
    let ServiceInfo { name, version, description, .. } = info;
    let settings = settings_help();
    let codes: String = exit::ALL.iter().map(|(code, when)| format!("  {code:<5}{when}\n")).collect();
    let offers: String = info.capabilities.iter().map(|capability| format!("  {capability}\n")).collect();
    format!(
        "{name} {version}: {description}

usage: {name} [command]

  run                   run the service (what happens without a command)
  health [--ready]      ask the running service how it is; exit code 0 ok, 1 down, 2 unreachable, 3 degraded
  call NAME[@VERSION] [JSON]
                        call the running service; exit code 0 answered, 1 refused, 2 unreachable,
                        4 broken off: it may have been done
  manifest              print manifest.json
  contract              print the JSON Schemas of requests, replies and refusals
  -h, --help            print this
  -V, --version         print the version

it offers:

{offers}
settings, from the environment:

{settings}
exit codes of run:

{codes}"
    )
}

/// Standard output may be a pipe that nobody reads any more: that is no failure of ours.
fn print(text: &str) -> u8 {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("cannot print: {error}"));
            exit::IO
        }
        _ => 0,
    }
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "error: {text}");
}

fn run(blueprint: Blueprint) -> u8 {
    if tokio::runtime::Handle::try_current().is_ok() {
        complain("`hecate_om::run` brings its own runtime; help: remove `#[tokio::main]` and `async` from `main`");
        return exit::SOFTWARE;
    }
    let loaded = match Config::from_env(blueprint.info.health_port) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain(&error.to_string());
            return exit::CONFIG;
        }
    };
    let audience = Audience::of_stdout();
    if let Err(error) = telemetry::install(loaded.config.log.clone(), audience) {
        complain(&format!("the system gives no thread for the log: {error}"));
        return exit::OS;
    }
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    raise_file_limit();
    if cfg!(panic = "abort") {
        tracing::warn!("built with panic = \"abort\": one handler that panics ends the whole service");
    }
    let result = lifecycle::run(blueprint, &loaded.config, lifecycle::signals, move |ready| {
        lifecycle::announce(ready, audience);
    });
    telemetry::flush();
    result.unwrap_or_else(|error| {
        complain(&chain(&error));
        error.exit_code()
    })
}

/// Runs a command that talks to a running service.
fn with_client(info: &ServiceInfo, command: impl AsyncFnOnce(&Config) -> u8) -> u8 {
    let loaded = match Config::from_env(info.health_port) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain(&error.to_string());
            return exit::CONFIG;
        }
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command(&loaded.config)),
        Err(error) => {
            complain(&error.to_string());
            exit::OS
        }
    }
}

async fn health(info: &ServiceInfo, config: &Config, ready: bool) -> u8 {
    // Only what is well is 200 then, whatever probes are told.
    let path = if ready { "/readyz" } else { "/health?degraded=503" };
    let (status, body) = match ask_health(info, config, path).await {
        Ok(answer) => answer,
        Err(error) => {
            complain(&format!("{} is not running: {error}; help: start it with `{} run`", info.name, program(info)));
            return UNREACHABLE;
        }
    };
    print(&format!("{}\n", String::from_utf8_lossy(&body)));
    let told = serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default();
    match told["status"].as_str() {
        _ if status == StatusCode::OK => 0,
        Some("degraded") => DEGRADED,
        _ => REFUSED,
    }
}

/// Asks where the running service says that it is.
async fn ask_health(
    info: &ServiceInfo,
    config: &Config,
    path: &str,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let place = ServicePaths::new(&config.runtime_dir, info.name).health_address();
    let told = std::fs::read_to_string(&place);
    let told = told.map_err(|error| format!("it left no address at {}: {error}", place.display()))?;
    let patience = std::time::Duration::from_secs(5);
    let asked = async {
        match told.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix("/health")) {
            Some(address) => exchange(TcpStream::connect(address).await?, Method::GET, path, Bytes::new()).await,
            None => exchange(UnixStream::connect(told.trim()).await?, Method::GET, path, Bytes::new()).await,
        }
    };
    tokio::time::timeout(patience, asked).await?
}

async fn call(info: &ServiceInfo, config: &Config, capability: &str, request: String) -> u8 {
    let (name, version) = match capability.split_once('@') {
        Some((name, version)) => (name, version.parse().ok()),
        None => (capability, newest(info, capability)),
    };
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let Some(version) = version.filter(|_| is_name) else {
        let help = "help: write NAME@VERSION, such as greeter.greet@1; a version is 1 to 65535";
        complain(&format!("`{}` is no capability; {help}", capability.escape_debug()));
        return exit::USAGE;
    };
    let client = LocalClient::new(ServicePaths::new(&config.runtime_dir, info.name).api_socket());
    match client.call_json(name, version, request.into()).await {
        Ok(reply) => print(&format!("{}\n", String::from_utf8_lossy(&reply))),
        Err(CallError::Refused(error)) => {
            complain(&error.to_string());
            if let Some(details) = error.details() {
                let _ = writeln!(io::stderr(), "details: {details}");
            }
            REFUSED
        }
        Err(error @ CallError::Unreachable { .. }) => {
            complain(&format!("{}; help: start it with `{} run`", chain(&error), program(info)));
            UNREACHABLE
        }
        Err(error) => {
            complain(&format!("{}; the call may have been done or not", chain(&error)));
            UNKNOWN
        }
    }
}

/// The highest version of a capability; 1 for a name that is not here, for the service to say so.
fn newest(info: &ServiceInfo, name: &str) -> Option<u16> {
    let versions =
        info.capabilities.iter().filter(|capability| capability.name == name).map(|capability| capability.version);
    Some(versions.max().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_service_runs_unless_it_is_told_otherwise() {
        assert_eq!(parsed(""), Ok(Command::Run));
        assert_eq!(parsed("run"), Ok(Command::Run));
        assert_eq!(parsed("health --ready"), Ok(Command::Health { ready: true }));
        assert_eq!(parsed("run --help"), Ok(Command::Help));
        let call = Command::Call { capability: "echo.say@2".to_owned(), request: "{}".to_owned() };
        assert_eq!(parsed("call echo.say@2 {}"), Ok(call));
    }

    #[test]
    fn typing_mistakes_are_told() {
        assert_eq!(parsed("helth").unwrap_err(), "unknown command `helth`; did you mean `health`?");
        assert_eq!(parsed("manifest now").unwrap_err(), "`manifest` takes nothing more, found `now`");
        assert_eq!(parsed("--redy").unwrap_err(), "invalid option '--redy'");
        assert_eq!(
            parsed("call").unwrap_err(),
            "`call` takes a capability and its request: call greeter.greet '{\"name\":\"you\"}'"
        );
    }
}
