//! What runs on this box.

use clap::Args;
use hecate_om::outside::{Running, Service, State};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{Output, table, visible};
use crate::settings;

#[derive(Debug, Args)]
#[command(after_help = "\
Looks into the runtime folder: HECATE_RUNTIME_DIR, else $XDG_RUNTIME_DIR/hecate, else /run/hecate for root and \
~/.hecate for others.

Examples:
  hecate-om services
  hecate-om services --json | jq -r '.services[] | select(.health.status != \"ok\") | .name'

Exit codes:
   0  they are listed; that none runs is no failure
  64  the command line is wrong
  71  the system refuses a thread
  74  they cannot be printed
  78  the settings are wrong")]
pub(crate) struct Arguments {
    /// Tell the capabilities of each, too.
    #[arg(long, short)]
    capabilities: bool,
}

pub(crate) fn list(arguments: &Arguments, output: &mut Output) -> Result<u8, Failure> {
    let outside = settings::outside()?;
    let services = settings::runtime()?.block_on(outside.services());
    let folder = outside.runtime_dir();
    let text = match &*services {
        [] => format!("no service runs on this box, as far as {} tells\n", folder.display()),
        services => told(services, arguments.capabilities),
    };
    let listed: Vec<Value> = services.iter().map(listed).collect();
    output.result(&text, &json!({"runtime_dir": folder, "services": listed}))?;
    Ok(0)
}

fn told(services: &[Service], with_capabilities: bool) -> String {
    let header = ["NAME", "VERSION", "HEALTH", "PID", "UP", "CAPABILITIES"].map(str::to_owned);
    let rows: Vec<[String; 6]> = [header].into_iter().chain(services.iter().map(row)).collect();
    let mut lines = String::new();
    for (place, line) in table(&rows, "").lines().enumerate() {
        lines += &format!("{line}\n");
        let Some(service) = place.checked_sub(1).and_then(|place| services.get(place)) else { continue };
        if let Some(why) = trouble(service) {
            lines += &format!("  {}\n", visible(&why));
        }
        if let (true, State::Running(running)) = (with_capabilities, &service.state) {
            lines += &capabilities(running);
        }
    }
    lines
}

fn row(service: &Service) -> [String; 6] {
    let nothing = || "-".to_owned();
    let name = visible(&service.name);
    match &service.state {
        State::Running(running) => {
            let health = running.health.as_ref();
            let word = health.map_or_else(
                || "unknown".to_owned(),
                |health| match &*health.phase {
                    "running" => visible(&health.status),
                    phase => visible(phase),
                },
            );
            let up = health.map_or_else(nothing, |health| {
                humantime::format_duration(std::time::Duration::from_secs(health.uptime_s)).to_string()
            });
            let pid = running.pid.map_or_else(nothing, |pid| pid.to_string());
            [name, visible(&running.version), word, pid, up, running.capabilities.len().to_string()]
        }
        State::Dead => [name, nothing(), "dead".to_owned(), nothing(), nothing(), nothing()],
        _ => [name, nothing(), "silent".to_owned(), nothing(), nothing(), nothing()],
    }
}

/// What is not well with a service, if something is not.
fn trouble(service: &Service) -> Option<String> {
    match &service.state {
        State::Running(running) => running.health.as_ref()?.reason.clone(),
        State::Dead => Some(format!(
            "nobody listens at {}: its process was killed; help: start it again, which replaces the socket",
            service.socket.display()
        )),
        State::Silent(why) => Some(why.clone()),
        _ => None,
    }
}

fn capabilities(running: &Running) -> String {
    let row = |offer: &hecate_om::outside::Offer| {
        let name = format!("{}@{}", visible(&offer.name), offer.version);
        [name, offer.kind.to_string(), visible(&offer.access), visible(&offer.description)]
    };
    table(&running.capabilities.iter().map(row).collect::<Vec<_>>(), "    ")
}

fn listed(service: &Service) -> Value {
    let mut listed = json!({"name": service.name, "socket": service.socket});
    match &service.state {
        State::Running(running) => {
            listed["state"] = "running".into();
            listed["version"] = running.version.clone().into();
            listed["pid"] = running.pid.into();
            listed["health"] = running.health.as_ref().map_or(Value::Null, |health| {
                json!({
                    "status": health.status,
                    "phase": health.phase,
                    "reason": health.reason,
                    "uptime_s": health.uptime_s,
                })
            });
            let offers = running.capabilities.iter().map(|offer| {
                json!({
                    "name": offer.name,
                    "version": offer.version,
                    "kind": offer.kind.to_string(),
                    "access": offer.access,
                    "description": offer.description,
                })
            });
            listed["capabilities"] = offers.collect();
        }
        State::Dead => listed["state"] = "dead".into(),
        State::Silent(why) => {
            listed["state"] = "silent".into();
            listed["why"] = why.clone().into();
        }
        _ => listed["state"] = "unknown".into(),
    }
    listed
}
