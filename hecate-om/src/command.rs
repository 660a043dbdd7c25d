//! The command line of every service: run it, look at it, call it.

mod check;
mod client;
mod help;
mod limits;
mod line;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use self::client::with_client;
use self::line::Command;
use crate::config::{Config, Flags, Loaded, Sources};
use crate::contract::Contract;
use crate::exit;
use crate::lifecycle::{self, Launch};
use crate::listener::raise_file_limit;
use crate::notify::Supervisor;
use crate::service::Blueprint;
use crate::telemetry::{self, Audience, chain};

/// Does what the command line of this process asks for.
pub(crate) fn main(blueprint: Blueprint) -> ExitCode {
    let info = blueprint.info;
    let code = match line::parse(std::env::args_os().skip(1)) {
        Ok(Command::Run(flags)) => run(blueprint, flags),
        Ok(Command::Check(flags)) => check::check(&blueprint, flags),
        Ok(Command::Config { flags, is_json }) => config(&blueprint, flags, is_json),
        Ok(Command::Manifest) => print(info.manifest),
        Ok(Command::Contract) => print(&Contract::of(blueprint).to_json()),
        Ok(Command::Health { flags, is_ready }) => {
            with_client(&blueprint, flags, async |config| client::health(info, config, is_ready).await)
        }
        Ok(Command::Call { flags, capability, request }) => {
            with_client(&blueprint, flags, async |config| client::call(info, config, &capability, request).await)
        }
        Ok(Command::Limits { flags, capability, change, is_json }) => with_client(&blueprint, flags, async |config| {
            limits::limits(info, config, capability.as_deref(), change, is_json).await
        }),
        Ok(Command::Help) => print(&help::help(&blueprint)),
        Ok(Command::Version) => print(&format!("{} {}\n", info.name, info.version)),
        Err(wrong) => {
            complain(&format!("{wrong}; help: {} --help", info.name));
            exit::USAGE
        }
    };
    ExitCode::from(code)
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
    tell(format_args!("error: {text}"));
}

/// Prints a line as one piece, so that no line of the log comes into the middle of it where both have one terminal.
fn tell(line: fmt::Arguments<'_>) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Reads the configuration of a service that is to run; one that is wrong is told.
///
/// # Errors
/// The exit code.
fn load(blueprint: &Blueprint, flags: Flags) -> Result<Loaded, u8> {
    Config::load(blueprint, Sources::of_process(blueprint.info.name, flags)).map_err(|error| {
        complain(&error.to_string());
        error.exit_code()
    })
}

fn config(blueprint: &Blueprint, flags: Flags, is_json: bool) -> u8 {
    match load(blueprint, flags) {
        Ok(loaded) if is_json => print(&loaded.listing.json(&loaded.warnings)),
        Ok(loaded) => {
            for warning in &loaded.warnings {
                tell(format_args!("warning: {warning}"));
            }
            print(&loaded.listing.text())
        }
        Err(code) => code,
    }
}

fn run(blueprint: Blueprint, flags: Flags) -> u8 {
    if tokio::runtime::Handle::try_current().is_ok() {
        complain("`hecate_om::run` brings its own runtime; help: remove `#[tokio::main]` and `async` from `main`");
        return exit::SOFTWARE;
    }
    let loaded = match load(&blueprint, flags) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let audience = Audience::of_stdout();
    if let Err(error) = telemetry::install(blueprint.info, loaded.config.log.clone(), audience) {
        complain(&format!("the system gives no thread for the log: {error}"));
        return exit::OS;
    }
    telemetry::starting(blueprint.info, &loaded.config.health, loaded.listing.origins());
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    raise_file_limit();
    if cfg!(panic = "abort") {
        tracing::warn!("built with panic = \"abort\": one handler that panics ends the whole service");
    }
    let supervisor = Supervisor::from_env().unwrap_or_else(|error| {
        tracing::warn!("{}", chain(&error));
        Supervisor::default()
    });
    let again = loaded.config.clone();
    let reload = move || {
        let loaded = again.reload(&blueprint).map_err(|error| error.to_string())?;
        telemetry::set_filter(loaded.config.log).map_err(|error| chain(&error))
    };
    let (supervisor, reload) = (Arc::new(supervisor), Arc::new(reload));
    let launch = Launch { blueprint, config: loaded.config, supervisor, audience, reload };
    let signals = || lifecycle::signals(audience == Audience::Person);
    let result = lifecycle::run(launch, signals, move |ready| lifecycle::announce(ready, audience));
    let code = result.unwrap_or_else(|error| {
        let (told, exit_code) = (chain(&error), error.exit_code());
        // A person has one place to look at, and would read it twice.
        if audience == Audience::Machine {
            tracing::error!(exit_code, error = told, "not started");
        }
        complain(&told);
        exit_code
    });
    telemetry::flush();
    code
}
