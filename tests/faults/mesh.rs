//! M1 and M2: what stations, links and records of the mesh can do to a service. Whatever it is, health names it
//! while it lasts, and a service that is well can be found and called.

mod records;
mod registrations;
mod settings;
mod speed;
mod stations;

use std::time::Duration;

use hecate_om_tests::{Launch, Process, Stage, within};
use serde_json::{Value, json};

/// How long anything may take that needs a link, a claim and an advertisement, on a box that is busy.
const SOON: Duration = Duration::from_secs(20);

fn stage() -> Stage {
    Stage::open(env!("CARGO_BIN_EXE_hecate-stage"))
}

fn stage_at(host: &str, profile: &str) -> Stage {
    Stage::open_at(env!("CARGO_BIN_EXE_hecate-stage"), host, profile)
}

fn meshed(which: &str) -> Launch {
    let launch = Launch::of(env!("CARGO_BIN_EXE_hecate-meshed")).service(&format!("hecate-{which}"));
    launch.with("MESHED", which).with("HECATE_RESOLVE", "mesh")
}

/// A service that says what it is told.
fn sayer() -> Launch {
    meshed("sayer")
}

/// A service that asks the other one.
fn asker() -> Launch {
    meshed("asker")
}

/// How a service is on the mesh.
fn on_mesh(process: &Process) -> Value {
    process.probe("/info").json()["mesh"].clone()
}

/// Whether everything that a service offers is found.
fn is_advertised(process: &Process) -> bool {
    let mesh = on_mesh(process);
    mesh["offered"].as_u64().is_some_and(|offered| offered > 0) && mesh["offered"] == mesh["advertised"]
}

/// Waits until everything that a service offers is found; returns how long that took.
fn advertised(process: &Process) -> Duration {
    within(SOON, "everything is advertised", || is_advertised(process).then_some(())).1
}

/// The status and reason of health.
fn health(process: &Process) -> (u16, String) {
    let answer = process.probe("/health");
    (answer.status, answer.json()["reason"].as_str().unwrap_or_default().to_owned())
}

/// Waits until health says that the service is degraded, for a reason with all these words; returns how long that
/// took.
fn told(process: &Process, longest: Duration, words: &[&str]) -> Duration {
    let what = format!("health tells of {words:?}; now {:?}", health(process));
    let look = || {
        let (status, reason) = health(process);
        (status == 503 && words.iter().all(|word| reason.contains(word))).then_some(())
    };
    within(longest, &what, look).1
}

/// Waits until health says that all is well: from then on the service is found. Returns how long that took.
fn well(process: &Process) -> Duration {
    within(SOON, "health is well", || (health(process).0 == 200).then_some(())).1
}

/// What came of a call by way of the mesh.
fn ask(asker: &Process, timeout_ms: u64) -> (u16, Value) {
    let body = json!({"text": "hello", "timeout_ms": timeout_ms}).to_string();
    let answer = asker.wire().call("asker.ask", body);
    (answer.status, answer.json())
}

/// What a caller is told whose call was not answered.
fn refusal(error: &Value) -> &str {
    error["detail"].as_str().unwrap_or_else(|| panic!("{error}"))
}

/// Calls until somebody answers; returns how long that took.
fn reached(asker: &Process) -> Duration {
    let look = || {
        let (status, said) = ask(asker, 2_000);
        (status == 200).then(|| assert_eq!(said, json!({"text": "hello", "via": "mesh"})))
    };
    within(SOON, "the call arrives", look).1
}

/// A service that is advertised, and another one that calls it.
fn pair(stage: &Stage) -> (Process, Process) {
    let sayer = stage.dialed_by(sayer()).ready();
    let asker = stage.dialed_by(asker()).ready();
    advertised(&sayer);
    advertised(&asker);
    reached(&asker);
    (sayer, asker)
}
