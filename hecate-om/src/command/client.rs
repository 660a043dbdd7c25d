//! Commands that talk to the running service.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::StatusCode;
use serde::de::IgnoredAny;

use super::{complain, print, tell};
use crate::capability::{FromPoll, Item, Kind};
use crate::client::{CallError, LocalClient, Pieces, Received, Sends, ask_health};
use crate::config::{Config, Flags, Sources};
use crate::exit;
use crate::folder::ServicePaths;
use crate::guard::limits::MOST_BYTES;
use crate::lifecycle::program;
use crate::local::lines::put_line;
use crate::service::{Blueprint, ServiceInfo};
use crate::telemetry::chain;

/// The exit codes of `health`, `call` and `limits`, besides those of every command.
const REFUSED: u8 = 1;
const UNREACHABLE: u8 = 2;
const DEGRADED: u8 = 3;
const UNKNOWN: u8 = 4;

/// Runs a command that talks to a running service.
///
/// The settings of the service are not read: a shell need not have them.
pub(super) fn with_client(blueprint: &Blueprint, flags: Flags, command: impl AsyncFnOnce(&Config) -> u8) -> u8 {
    let sources = Sources::of_process(blueprint.info.name, flags).without_settings();
    let loaded = match Config::load(blueprint, sources) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain(&error.to_string());
            return error.exit_code();
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

/// Prints what health says.
pub(super) async fn health(info: &ServiceInfo, config: &Config, ready: bool) -> u8 {
    // Only what is well is 200 then, whatever probes are told.
    let path = if ready { "/readyz" } else { "/health?degraded=503" };
    let (status, body) = match ask_health(&ServicePaths::new(&config.runtime_dir, info.name), path).await {
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

/// What stands for standard input.
const STDIN: &str = "-";
/// How much of standard input is read at once.
const PIECE: usize = 64 * 1024;

/// Prints what a capability replies: of a stream each item when it comes, as a line.
pub(super) async fn call(info: &ServiceInfo, config: &Config, capability: &str, request: String) -> u8 {
    let (name, version) = match capability_of(info, capability) {
        Ok(capability) => capability,
        Err(code) => return code,
    };
    let known = info.capabilities.iter().find(|known| known.name == name && known.version == version);
    let kind = known.map_or(Kind::Unary, |known| known.kind);
    let sends = if kind.takes_stream() {
        Sends::Pieces(if request == STDIN { pieces_of_stdin() } else { one_piece(request) })
    } else if request == STDIN {
        let mut whole = Vec::new();
        // One byte more than any capability takes is enough to be refused.
        if let Err(error) = io::stdin().take(MOST_BYTES as u64 + 1).read_to_end(&mut whole) {
            complain(&format!("cannot read standard input: {error}"));
            return exit::IO;
        }
        Sends::One(whole.into())
    } else {
        Sends::One(request.into())
    };
    let client = LocalClient::new(ServicePaths::new(&config.runtime_dir, info.name).api_socket());
    match client.open(name, version, sends).await {
        Ok(opened) => print_all(opened.received, info).await,
        Err(error) => failed(error, info),
    }
}

/// The capability that `NAME[@VERSION]` means.
///
/// # Errors
/// The exit code, when it was told that there is none.
pub(super) fn capability_of<'a>(info: &ServiceInfo, capability: &'a str) -> Result<(&'a str, u16), u8> {
    let (name, version) = match capability.split_once('@') {
        Some((name, version)) => (name, version.parse().ok()),
        None => (capability, newest(info, capability)),
    };
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    version.filter(|_| is_name).map(|version| (name, version)).ok_or_else(|| {
        let help = "help: write NAME@VERSION, such as greeter.greet@1; a version is 1 to 65535";
        complain(&format!("`{}` is no capability; {help}", capability.escape_debug()));
        exit::USAGE
    })
}

/// Calls the running service.
///
/// # Errors
/// The exit code, when it was told why there is no reply.
pub(super) async fn ask(
    info: &ServiceInfo,
    config: &Config,
    name: &str,
    version: u16,
    request: String,
) -> Result<Bytes, u8> {
    let client = LocalClient::new(ServicePaths::new(&config.runtime_dir, info.name).api_socket());
    client.call_json(name, version, request.into()).await.map_err(|error| failed(error, info))
}

/// Prints the replies as they come.
async fn print_all(received: Received, info: &ServiceInfo) -> u8 {
    let mut items = match received {
        Received::One(item) => return print_line(&item).unwrap_or(0),
        Received::Many(items) => items,
    };
    while let Some(item) = poll_fn(|context| items.as_mut().poll_next(context)).await {
        match item {
            Ok(item) => {
                if let Some(code) = print_line(&item) {
                    return code;
                }
            }
            Err(error) => return failed(error, info),
        }
    }
    0
}

/// Prints an item; the exit code where nothing more is to be printed.
fn print_line(item: &Item) -> Option<u8> {
    let mut line = match item {
        Item::Json(document) => document.to_vec(),
        // A socket carries none.
        #[cfg(feature = "macula")]
        Item::Value(_) => return None,
    };
    line.push(b'\n');
    match io::stdout().write_all(&line) {
        // Nobody reads any more, which is no failure of ours.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Some(0),
        Err(error) => {
            complain(&format!("cannot print: {error}"));
            Some(exit::IO)
        }
        Ok(()) => None,
    }
}

/// Tells why there is no reply; returns the exit code.
fn failed(error: CallError, info: &ServiceInfo) -> u8 {
    match error {
        CallError::Refused(error) => {
            complain(&error.to_string());
            if let Some(details) = error.details() {
                tell(format_args!("details: {details}"));
            }
            REFUSED
        }
        error @ CallError::Unreachable { .. } => {
            complain(&format!("{}; help: start it with `{} run`", chain(&error), program(info)));
            UNREACHABLE
        }
        error => {
            complain(&format!("{}; the call may have been done or not", chain(&error)));
            UNKNOWN
        }
    }
}

/// What stands on the command line: lines as they are, or one document, however it is laid out.
fn one_piece(text: String) -> Pieces {
    let mut piece = Some(if serde_json::from_str::<IgnoredAny>(&text).is_ok() {
        let mut line = Vec::new();
        put_line(text.as_bytes(), &mut line);
        Bytes::from(line)
    } else {
        Bytes::from(text)
    });
    Box::pin(FromPoll(move |_: &mut Context<'_>| Poll::Ready(piece.take().map(Ok))))
}

/// Standard input as it comes. Its thread may wait for it for ever, and ends with the process.
fn pieces_of_stdin() -> Pieces {
    let (sender, mut pieces) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut piece = vec![0; PIECE];
        loop {
            let read = match stdin.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => Ok(Bytes::copy_from_slice(&piece[..read])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error.into()),
            };
            let is_last = read.is_err();
            if sender.blocking_send(read).is_err() || is_last {
                return;
            }
        }
    });
    Box::pin(FromPoll(move |context: &mut Context<'_>| pieces.poll_recv(context)))
}

/// The highest version of a capability; 1 for a name that is not here, for the service to say so.
fn newest(info: &ServiceInfo, name: &str) -> Option<u16> {
    let versions =
        info.capabilities.iter().filter(|capability| capability.name == name).map(|capability| capability.version);
    Some(versions.max().unwrap_or(1))
}
