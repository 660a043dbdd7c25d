//! The development station of this box, in the foreground.

use std::time::Duration;

use clap::Args;
use hecate_om::outside::Outside;
use hecate_om_station::{DevelopmentMesh, SeatState, StationInfo};
use macula_rust::profile::Profile;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{CONFIG, Failure, OS, SOFTWARE, TRY_AGAIN};
use crate::output::Output;
use crate::settings;

/// How long a station may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);
/// The exit code when it was told twice to stop.
const INTERRUPTED: u8 = 130;

#[derive(Debug, Args)]
#[command(after_help = "\
Services of this box find it by themselves, and run one themselves where none is: a station of its own is for a \
mesh that stays while they come and go. It listens on loopback alone. Its keys are kept in the runtime folder. \
SIGINT or SIGTERM ends it; another service of the box then runs the station within a fraction of a second.

Examples:
  hecate-om station
  hecate-om station --json | jq .environment

Exit codes:
   0  it was stopped
  64  the command line is wrong
  70  it failed
  71  the system refuses a thread
  74  it cannot be printed where it listens
  75  another process of this box runs the station
  78  the settings are wrong, or name other stations
 130  it was told twice to stop")]
pub(crate) struct Arguments {
    /// Wait until no other process of this box runs the station, and then run it.
    #[arg(long)]
    wait: bool,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<u8, Failure> {
    let outside = settings::outside()?;
    if outside.has_stations() {
        return Err(Failure::new(
            CONFIG,
            "MACULA_STATION_SEEDS names stations, so services would not come to this one",
        )
        .help("unset MACULA_STATION_SEEDS and what belongs to it"));
    }
    settings::runtime()?.block_on(listen(&outside, arguments.wait, output))
}

async fn listen(outside: &Outside, is_waiting: bool, output: &mut Output) -> Result<u8, Failure> {
    let mut signals = Signals::new()?;
    let profile = Profile::parse(outside.profile()).map_err(|error| Failure::new(CONFIG, error.to_string()))?;
    let joined = DevelopmentMesh::join(outside.station_folder(), profile).await;
    let mesh = joined.map_err(|error| Failure::new(SOFTWARE, chain(&error)))?;
    let seated = tokio::select! {
        seated = seat(&mesh, is_waiting) => seated,
        () = signals.next() => {
            mesh.leave().await;
            return Ok(0);
        }
    };
    let info = match seated {
        Ok(info) => info,
        Err(failure) => {
            mesh.leave().await;
            return Err(failure);
        }
    };
    let file = outside.station_folder().join("station.json");
    output.result(&told(&info, &file), &listed(&info, &file))?;
    signals.next().await;
    tokio::select! {
        () = mesh.leave() => Ok(0),
        () = signals.next() => Ok(INTERRUPTED),
    }
}

/// The station that this process runs, when it listens.
async fn seat(mesh: &DevelopmentMesh, is_waiting: bool) -> Result<StationInfo, Failure> {
    let (mut state, mut station) = (mesh.state(), mesh.station());
    loop {
        let now = state.borrow_and_update().clone();
        let info = station.borrow_and_update().clone();
        match (now, info) {
            (SeatState::Holding, Some(info)) => return Ok(info),
            (SeatState::Following, Some(info)) if !is_waiting => {
                let what = format!("process {} runs the station of this box, at {}:{}", info.pid, info.host, info.port);
                return Err(Failure::new(TRY_AGAIN, what)
                    .help("services find it; to run it here as soon as it is free: hecate-om station --wait"));
            }
            (SeatState::Failing(error), _) => return Err(Failure::new(SOFTWARE, chain(&*error))),
            _ => {}
        }
        let changed = async {
            tokio::select! {
                changed = state.changed() => changed,
                changed = station.changed() => changed,
            }
        };
        let ended = || Failure::new(SOFTWARE, "the station ended by a bug").help("report what it wrote");
        if is_waiting {
            changed.await.map_err(|_| ended())?;
        } else {
            let late =
                || Failure::new(TRY_AGAIN, format!("the station does not listen after {} s", PATIENCE.as_secs()));
            tokio::time::timeout(PATIENCE, changed).await.map_err(|_| late())?.map_err(|_| ended())?;
        }
    }
}

/// For people: where it is, and what a program needs that does not look for it.
fn told(info: &StationInfo, file: &std::path::Path) -> String {
    format!(
        "the development station listens at {}:{}\n\nServices of this runtime folder find it by themselves. Any other client needs\n  \
         MACULA_STATION_SEEDS={}\n  MACULA_STATION_NODE_IDS={}\n  HECATE_REALM={}\n  \
         HECATE_REALM_KEY=<`realm_key` of {}>\n\nCtrl-C ends it.\n",
        info.host,
        info.port,
        seed(info),
        hex(&info.node_id),
        info.realm_name,
        file.display(),
    )
}

fn listed(info: &StationInfo, file: &std::path::Path) -> Value {
    json!({
        "host": info.host,
        "port": info.port,
        "pid": info.pid,
        "station_json": file,
        "environment": {
            "MACULA_STATION_SEEDS": seed(info),
            "MACULA_STATION_NODE_IDS": hex(&info.node_id),
            "HECATE_REALM": info.realm_name,
            "HECATE_REALM_KEY": hex(&info.realm_key),
        },
    })
}

fn seed(info: &StationInfo) -> String {
    if info.host.contains(':') {
        format!("[{}]:{}", info.host, info.port)
    } else {
        format!("{}:{}", info.host, info.port)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text += &format!(": {next}");
        cause = next.source();
    }
    text
}

/// What tells this process to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(|error| Failure::new(OS, format!("signals cannot be had: {error}")));
        Ok(Self { interrupt: on(SignalKind::interrupt())?, terminate: on(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
