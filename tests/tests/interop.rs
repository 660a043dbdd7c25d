//! Peers that share no line of code with this: the Python package `macula-py`, which is the Go
//! implementation underneath, meets services and the development station over the real wire.
//!
//! What Python sees, the scripts in `tests/interop` check, and print.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hecate_om_tests::{Launch, Process};
use macula_rust::cbor::Value;
use macula_rust::frame::Payload;
use macula_rust::node_key::{NodeKey, PUZZLE_DIFFICULTY};
use macula_rust::pool::{Delivery, Opts, Pool, Seed};
use macula_rust::profile::Profile;
use macula_rust::station_link::Publication;
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// Hybrid keys take seconds each, and two profiles are tried side by side.
const BOUND: Duration = Duration::from_secs(120);

/// Waits until `look` finds something.
fn finally<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < BOUND, "not within {BOUND:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A box on which services find each other.
struct Box {
    folder: TempDir,
    /// Where its services and the station have their things.
    runtime: String,
}

impl Box {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = folder.path().join("run").to_str().unwrap().to_owned();
        Self { folder, runtime }
    }

    /// A service of this box with no configuration but its folders.
    fn service(&self, program: &str) -> Launch {
        let name = Path::new(program).file_name().unwrap().to_str().unwrap();
        let data = self.folder.path().join("data").join(name);
        let launch = Launch::of(program).without("HECATE_MESH").without("HECATE_HEALTH_ADDR");
        launch.with("HECATE_RUNTIME_DIR", self.runtime.as_str()).with("HECATE_DATA_DIR", data.to_str().unwrap())
    }

    fn script(&self, name: &str) -> Process {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(name);
        let launch = Launch::of("python3").with("PATH", std::env::var("PATH").unwrap());
        launch.argument(script.to_str().unwrap()).argument(&self.runtime).start()
    }

    /// Runs a script to its end, which must be a good one.
    fn try_script(&self, name: &str) {
        end(name, &mut self.script(name));
    }

    fn station(&self) -> Json {
        let file = Path::new(&self.runtime).join("station/station.json");
        // It is there once a station listens, which is after the service that runs it is ready.
        let read = || serde_json::from_slice(&std::fs::read(&file).ok()?).ok();
        finally("the file of the station", read)
    }
}

/// Waits for a script to end well.
fn end(name: &str, script: &mut Process) {
    finally(&format!("the end of {name}: {}{}", script.stdout(), script.stderr()), || script.has_ended().then_some(()));
    let code = script.exit_code();
    let (said, failed) = (script.stdout(), script.stderr());
    println!("== {name}\n{said}");
    assert!(code == 0 && said.ends_with("all of it is so\n"), "{name} ended with {code}:\n{said}{failed}");
}

fn mesh(process: &Process) -> Json {
    process.probe("/info").json()["mesh"].clone()
}

fn relayed(process: &Process) -> u64 {
    mesh(process)["development"]["relayed_calls"].as_u64().expect("the station is here")
}

/// Waits until all that a service offers is advertised, by the link that it has now.
fn advertised(process: &Process) {
    finally("advertisements", || {
        let told = mesh(process);
        let all = |count: &str| told[count].as_u64().filter(|count| *count > 0);
        (told["links"]["up"] == 1 && all("offered").is_some() && all("offered") == all("advertised")).then_some(())
    });
}

#[test]
#[ignore = "needs Python's macula-py; .ci/run installs it"]
fn python_and_rust_understand_each_other_in_pq_pure() {
    understand_each_other(Profile::PqPure);
}

#[test]
#[ignore = "needs Python's macula-py; .ci/run installs it"]
fn python_and_rust_understand_each_other_in_pq_hybrid() {
    understand_each_other(Profile::PqHybrid);
}

fn understand_each_other(profile: Profile) {
    let here = Box::new();
    let launch = |program: &str| here.service(program).with("HECATE_PROFILE", profile.name());
    let echo = launch(&example("hecate-echo")).ready();
    advertised(&echo);
    assert_eq!(here.station()["profile"], profile.name());

    // Who listens first, hears the carrier announce itself.
    let mut facts = here.script("facts.py");
    finally("facts.py listens", || (facts.stdout().contains("listening") || facts.has_ended()).then_some(()));
    let carrier = launch(env!("CARGO_BIN_EXE_hecate-carrier")).ready();
    // The links of the SDK go on while this thread waits for the script.
    let answer = tokio::runtime::Runtime::new().unwrap().block_on(ask(&here.station(), profile, &mut facts));
    assert_eq!(answer, expected_answer());
    // Others announced themselves before, and do so again: what counts is that this one did.
    let heard = finally("the fact of a service in Python", || {
        let told = mesh(&echo)["announcements"].clone();
        (told["heard"].as_u64()? >= 2).then_some(told)
    });
    assert_eq!(heard["dropped"], 0, "what Python announced is a fact");

    advertised(&carrier);
    let before = relayed(&echo);
    here.try_script("calls.py");
    here.try_script("streams.py");
    let after = relayed(&echo);
    assert!(after >= before + 20, "the station relayed {} calls", after - before);
    here.try_script("serves.py");
    // Each of its calls to the carrier led to one back to Python.
    assert!(relayed(&echo) >= after + 20, "the station relayed {} calls", relayed(&echo) - after);
}

/// Publishes the question of `facts.py` with the SDK, and waits for what Python publishes as an answer.
async fn ask(station: &Json, profile: Profile, facts: &mut Process) -> Value {
    let realm = bytes(&station["realm"]).try_into().unwrap();
    let identity = NodeKey::generate_identity(profile, PUZZLE_DIFFICULTY).unwrap();
    let mut opts = Opts::new(Arc::new(identity));
    opts.realm_trust = HashMap::from([(realm, bytes(&station["realm_key"]))]);
    opts.connect_timeout = BOUND;
    let seed = Seed {
        host: station["host"].as_str().unwrap().to_owned(),
        port: u16::try_from(station["port"].as_u64().unwrap()).unwrap(),
        node_id: bytes(&station["node_id"]).try_into().unwrap(),
    };
    let pool = Pool::connect(vec![seed], opts).await.unwrap();
    let mut answers = pool.subscribe(&realm, "interop.answer").await.unwrap();
    let question = Value::Map(vec![
        entry("text", Value::text("who is there?")),
        entry("number", Value::Int(i64::MIN.into())),
        entry("raw", Value::Bytes(vec![0, 255])),
        entry("none", Value::Null),
    ]);
    let payload = Payload::Clear(question);
    pool.publish(Publication { realm, topic: "interop.question".to_owned(), payload, ttl_ms: Some(120_000) })
        .await
        .unwrap();
    end("facts.py", facts);
    let answer = tokio::time::timeout(BOUND, async {
        loop {
            if let Delivery::Event(event) = answers.recv().await.expect("the subscription lasts") {
                return event;
            }
        }
    });
    let event = answer.await.expect("Python publishes an answer");
    let publisher: String = event.publisher.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(facts.stdout().contains(&format!("node {publisher}")), "{publisher}");
    let Payload::Clear(answer) = event.payload else { panic!("a sealed answer") };
    pool.close().await;
    answer
}

fn expected_answer() -> Value {
    let mut fields = vec![
        entry("to", Value::text("who is there?")),
        entry("number", Value::Int(i64::MAX.into())),
        entry("raw", Value::Bytes(vec![255, 0])),
        entry("share", Value::Float(0.5)),
        entry("none", Value::Null),
    ];
    // As the wire has them: the shorter key first.
    fields.sort_by_key(|(key, _)| match key {
        Value::Text(key) => (key.len(), key.clone()),
        _ => unreachable!(),
    });
    Value::Map(fields)
}

fn entry(key: &str, value: Value) -> (Value, Value) {
    (Value::text(key), value)
}

fn bytes(hex: &Json) -> Vec<u8> {
    let digits = hex.as_str().unwrap().as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// An example as `cargo run -p` runs it.
fn example(name: &str) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    // As a person does: with what cargo tells this test of its package, build scripts would run again.
    for (variable, _) in std::env::vars_os() {
        let text = variable.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&variable);
        }
    }
    cargo.args(["build", "--quiet", "--message-format=json", "-p", name, "--bin", name]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let of_it =
        |line: Json| (line["target"]["name"] == *name).then(|| line["executable"].as_str().map(str::to_owned))?;
    lines.lines().filter_map(|line| serde_json::from_str(line).ok()).find_map(of_it).expect("its program")
}

#[test]
#[ignore = "needs Python's macula-py; .ci/run installs it"]
fn services_without_configuration_find_each_other_and_survive_the_owner_of_the_station() {
    let here = Box::new();
    let parrot = here.service(&example("hecate-parrot")).with("HECATE_RESOLVE", "mesh").ready();
    finally("parrot's station", || (mesh(&parrot)["development"]["station_here"] == true).then_some(()));
    let echo = here.service(&example("hecate-echo")).ready();
    advertised(&echo);
    advertised(&parrot);

    // Both sides say by which way the call came: the echo in its answer, parrot in its greeting.
    let before = relayed(&parrot);
    // That nobody was there, parrot believes for a moment longer.
    let answer = finally("parrot reaches the echo", || {
        let answer = parrot.wire().call("parrot.repeat", json!({"text": "hello"}).to_string());
        (answer.status != 503).then_some(answer)
    });
    assert_eq!((answer.status, answer.json()), (200, json!({"text": "hello", "via": "mesh"})));
    assert!(relayed(&parrot) > before, "the station relayed it");
    finally("parrot's greeting", || {
        parrot.stdout().contains("the echo said `Polly wants a cracker`, via mesh").then_some(())
    });
    here.try_script("visit.py");

    // Its owner has no time to hand anything over.
    let station = here.station();
    assert_eq!(station["pid"], parrot.pid());
    parrot.signal(Signal::KILL);
    finally("echo runs the station", || {
        (here.station()["pid"] == echo.pid() && mesh(&echo)["development"]["station_here"] == true).then_some(())
    });
    let begun = Instant::now();
    advertised(&echo);
    println!("advertised again {:?} after the station was followed", begun.elapsed());
    for unchanged in ["node_id", "port", "realm", "realm_key"] {
        assert_eq!(here.station()[unchanged], station[unchanged], "{unchanged}");
    }
    here.try_script("visit.py");
    assert!(relayed(&echo) >= 2);
}
