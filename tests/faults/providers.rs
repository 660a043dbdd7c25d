//! P and W: who answers a call over the mesh, who may make it, and how a provider goes.

mod access;
mod bare;
mod chain;
mod failover;
mod streams;
mod succession;
mod withdrawal;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hecate_om_tests::{Launch, PATIENCE, Process, eventually};
use serde_json::Value;
use tempfile::TempDir;

/// An instance of the service that is called. Its journal tells what reached it.
pub fn ring(name: &str) -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-ring")).with("RING_NAME", name)
}

pub fn asker() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-ring")).service("hecate-asker").with("RING", "asker")
}

fn stranger() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-ring")).service("hecate-stranger").with("RING", "stranger")
}

/// A service on the development mesh of a box, which calls over the mesh even whom it has beside it.
pub fn on_mesh(launch: Launch, runtime: &Path) -> Launch {
    let launch = launch.with("HECATE_MESH", "auto").with("HECATE_RESOLVE", "mesh");
    launch.with("HECATE_RUNTIME_DIR", runtime.to_str().unwrap())
}

/// A service of another box, so to speak, that dials the station of this one.
fn by_station(launch: Launch, runtime: &Path) -> Launch {
    let text = eventually("station.json", || fs::read_to_string(runtime.join("station/station.json")).ok());
    let station: Value = serde_json::from_str(&text).unwrap();
    let text = |field: &str| station[field].as_str().unwrap().to_owned();
    launch
        .with("HECATE_MESH", "required")
        .with("HECATE_RESOLVE", "mesh")
        .with("HECATE_REALM", text("realm_name"))
        .with("HECATE_REALM_KEY", text("realm_key"))
        .with("MACULA_STATION_SEEDS", format!("{}:{}", text("host"), station["port"]))
        .with("MACULA_STATION_NODE_IDS", text("node_id"))
}

/// What a service tells of its place on the mesh.
pub fn told(process: &Process) -> Value {
    process.probe("/info").json()["mesh"].take()
}

fn is_advertised(told: &Value) -> bool {
    told["links"]["up"] == 1 && told["advertised"] == told["offered"]
}

/// Waits until the mesh finds everything that a service offers.
pub fn wait_until_advertised(process: &Process) {
    let begun = Instant::now();
    while !is_advertised(&told(process)) {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: all its advertisements: {:#}", told(process));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A mesh whose station runs in a service that asks, and stays.
pub struct Mesh {
    folder: TempDir,
    runtime: PathBuf,
    pub asker: Process,
}

impl Mesh {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = folder.path().join("run");
        let asker = on_mesh(asker(), &runtime).ready();
        let mesh = Self { folder, runtime, asker };
        eventually("the station", || (told(&mesh.asker)["development"]["station_here"] == true).then_some(()));
        mesh
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// A ring on this box, on the mesh.
    fn ring(&self, name: &str) -> Process {
        let process = on_mesh(ring(name), self.runtime()).ready();
        wait_until_advertised(&process);
        process
    }

    /// Another instance of it elsewhere, by the same station.
    fn ring_elsewhere(&self, name: &str) -> Process {
        let process = by_station(ring(name), self.runtime()).ready();
        wait_until_advertised(&process);
        process
    }
}

/// Has a service ask the ring; tells what came of it.
pub fn ask(asker: &Process, request: &str) -> Value {
    let answer = asker.wire().call("asker.ask", request);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Begins to ask, on a thread of its own.
fn asking(asker: &Process, request: String) -> std::thread::JoinHandle<Value> {
    let mut wire = asker.wire();
    std::thread::spawn(move || {
        let answer = wire.call("asker.ask", request);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    })
}

/// Waits until somebody answers.
pub fn eventually_answers(asker: &Process) -> Value {
    let begun = Instant::now();
    loop {
        let told = ask(asker, r#"{"what":"who","timeout_ms":5000}"#);
        if told["seen"].is_object() {
            return told;
        }
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: an answer of the ring: {told:#}");
    }
}

/// Waits until both have answered.
fn wait_until_both_answer(asker: &Process) {
    let mut seen = std::collections::BTreeSet::new();
    eventually("an answer of each", || {
        let told = ask(asker, r#"{"what":"who"}"#);
        seen.extend(told["seen"]["by"].as_str().map(str::to_owned));
        (seen.len() == 2).then_some(())
    });
}

fn hold(what: &str, gate: &hecate_om_tests::Gate) -> String {
    format!(r#"{{"what":"{what}","gate":"{}"}}"#, gate.path())
}
