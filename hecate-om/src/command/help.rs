//! What `--help` prints.

use crate::config::{service_help, settings_help};
use crate::exit;
use crate::service::{Blueprint, ServiceInfo};

/// The commands, what is offered, what can be set, and the exit codes.
pub(super) fn help(blueprint: &Blueprint) -> String {
    let info = blueprint.info;
    let ServiceInfo { name, version, description, .. } = info;
    let settings = settings_help();
    let own = match service_help(&blueprint.shape()) {
        own if own.is_empty() => own,
        own => format!("settings of this service, as variables or in the table [service] of a file:\n\n{own}\n"),
    };
    let codes: String = exit::ALL.iter().map(|(code, when)| format!("  {code:<5}{when}\n")).collect();
    let offers: String = info.capabilities.iter().map(|capability| format!("  {capability}\n")).collect();
    format!(
        "{name} {version}: {description}

usage: {name} [command]

  run                   run the service (what happens without a command)
  check                 tell what would keep it from running; exit code 0, or the one that run would end with
  config [--json]       print every setting, its value and where that comes from
  health [--ready]      ask the running service how it is; exit code 0 ok, 1 down, 2 unreachable, 3 degraded
  call NAME[@VERSION] [JSON | -]
                        call the running service; `-` reads standard input: one request, or one in each
                        line where a stream is taken, each sent when it comes; a stream of replies is
                        printed as it comes, one in each line; exit code 0 answered, 1 refused,
                        2 unreachable, 4 broken off: it may have been done
  limits [NAME[@VERSION]] [--json]
                        print what is declared of each capability, what holds, runs and was refused;
                        exit codes of call
  limits NAME[@VERSION] [--payload 64KiB] [--reply 1MiB] [--concurrency 10] [--per-caller 100/10s] [--total 900/10s]
                        lower or raise limits of the running service, up to what is declared, until it ends
  manifest              print manifest.json
  contract              print the JSON Schemas of requests, replies and refusals
  --config FILE         read this TOML file, too; the last one is the strongest
  --strict              refuse settings that would be ignored
  -h, --help            print this
  -V, --version         print the version

it offers:

{offers}
settings, from the environment, then --config, then /etc/hecate/{name}.toml, where the
keys are the names in lower case without HECATE_:

{settings}
{own}exit codes of run:

{codes}"
    )
}
