//! Commands that talk to the running service.

use std::io::{self, Write};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::net::{TcpStream, UnixStream};

use super::{complain, print};
use crate::client::{CallError, LocalClient, exchange};
use crate::config::{Config, Flags, Sources};
use crate::exit;
use crate::folder::ServicePaths;
use crate::lifecycle::program;
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

/// Prints what a capability replies.
pub(super) async fn call(info: &ServiceInfo, config: &Config, capability: &str, request: String) -> u8 {
    let (name, version) = match capability_of(info, capability) {
        Ok(capability) => capability,
        Err(code) => return code,
    };
    match ask(info, config, name, version, request).await {
        Ok(reply) => print(&format!("{}\n", String::from_utf8_lossy(&reply))),
        Err(code) => code,
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
    let error = match client.call_json(name, version, request.into()).await {
        Ok(reply) => return Ok(reply),
        Err(error) => error,
    };
    Err(match error {
        CallError::Refused(error) => {
            complain(&error.to_string());
            if let Some(details) = error.details() {
                let _ = writeln!(io::stderr(), "details: {details}");
            }
            REFUSED
        }
        CallError::Unreachable { .. } => {
            complain(&format!("{}; help: start it with `{} run`", chain(&error), program(info)));
            UNREACHABLE
        }
        _ => {
            complain(&format!("{}; the call may have been done or not", chain(&error)));
            UNKNOWN
        }
    })
}

/// The highest version of a capability; 1 for a name that is not here, for the service to say so.
fn newest(info: &ServiceInfo, name: &str) -> Option<u16> {
    let versions =
        info.capabilities.iter().filter(|capability| capability.name == name).map(|capability| capability.version);
    Some(versions.max().unwrap_or(1))
}
