//! Services of one box, each a process of its own: this test, run again with a word in its environment.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hecate_om_station::{DevelopmentMesh, StationInfo};
use macula_rust::cbor::Value;
use macula_rust::node_key::{NodeKey, PUZZLE_DIFFICULTY};
use macula_rust::pool::{Call, Offer, Opts, Pool, Seed};
use macula_rust::profile::Profile;
use macula_rust::record::own_procedure;
use macula_rust::station_link::handler;
use tokio::io::AsyncBufReadExt;
use tokio::sync::watch;

/// No wait is longer: the box may be busy with other tests.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

const FOLDER: &str = "STATION_TEST_FOLDER";
const LINK: &str = "STATION_TEST_LINK";

/// Under what the services serve.
const ORG: &str = "acme";

/// The service's half of what it tells the test, on lines that nothing else writes.
const MARK: &str = "@@ ";

/// Waits until there is something.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < BOUND, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How a service uses the station.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// It does not.
    None,
    /// As any client of the SDK: it knows only where the station was when it came.
    Bare,
    /// It says something when it is told of another station.
    Told,
}

/// A service of a box, as a process.
pub(crate) struct Service {
    child: Child,
    orders: ChildStdin,
    said: Arc<Mutex<Vec<String>>>,
}

/// What a service says of the station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    pub(crate) node: String,
}

impl Service {
    /// Starts one; `part` is the test that plays it.
    pub(crate) fn start(part: &str, folder: &Path, link: Link) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", part, "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .env(LINK, format!("{link:?}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn({
            let said = Arc::clone(&said);
            move || {
                for line in stdout.lines().map_while(Result::ok) {
                    // The test harness writes before the first.
                    if let Some((_, words)) = line.split_once(MARK) {
                        said.lock().unwrap().push(words.to_owned());
                    }
                }
            }
        });
        let orders = child.stdin.take().unwrap();
        Self { child, orders, said }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
    }

    /// The last that it said of something.
    pub(crate) fn last(&self, subject: &str) -> Option<String> {
        let said = self.said.lock().unwrap();
        said.iter().rev().find_map(|words| words.strip_prefix(subject)?.strip_prefix(' ').map(str::to_owned))
    }

    /// Waits for it to say something.
    pub(crate) fn says(&self, subject: &str) -> String {
        eventually(&format!("{} says {subject}", self.pid()), || self.last(subject))
    }

    pub(crate) fn forget(&self) {
        self.said.lock().unwrap().clear();
    }

    pub(crate) fn holds(&self) -> bool {
        self.last("state").as_deref() == Some("Holding")
    }

    pub(crate) fn seen(&self) -> Option<Seen> {
        let words = self.last("station")?;
        let mut words = words.split(' ');
        let (pid, port, node) = (words.next()?, words.next()?, words.next()?);
        Some(Seen { pid: pid.parse().unwrap(), port: port.parse().unwrap(), node: node.to_owned() })
    }

    /// Waits until it knows that a process has the station.
    pub(crate) fn sees(&self, pid: u32) -> Seen {
        eventually(&format!("{} sees the station of {pid}", self.pid()), || self.seen().filter(|seen| seen.pid == pid))
    }

    /// Calls a procedure of another until it answers.
    pub(crate) fn reaches(&mut self, procedure: &str) -> String {
        let begun = Instant::now();
        loop {
            self.forget_answers();
            self.order(&format!("call {procedure}"));
            let answer = self.says("answer");
            if let Some(answer) = answer.strip_prefix("ok ") {
                return answer.to_owned();
            }
            assert!(begun.elapsed() < BOUND, "{procedure}: {answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn forget_answers(&self) {
        self.said.lock().unwrap().retain(|words| !words.starts_with("answer "));
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Leaves in order, and says how long that took.
    pub(crate) fn leave(mut self) -> Duration {
        self.order("leave");
        let took = Duration::from_millis(self.says("left").parse().unwrap());
        assert!(self.child.wait().unwrap().success());
        took
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(words: &str) {
    println!("{MARK}{words}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Plays a service, when the environment says so.
pub(crate) fn play() -> bool {
    let Some(folder) = std::env::var_os(FOLDER) else { return false };
    let link = std::env::var(LINK).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(serve(folder.into(), &link));
    // Whoever leaves is gone at once, with what still runs.
    std::process::exit(0);
}

async fn serve(folder: std::path::PathBuf, link: &str) {
    let mesh = DevelopmentMesh::join(folder, Profile::PqPure).await.unwrap();
    let (mut state, mut station) = (mesh.state(), mesh.station());
    tokio::spawn(async move {
        loop {
            let now = format!("state {:?}", *state.borrow_and_update());
            say(&now);
            if state.changed().await.is_err() {
                return;
            }
        }
    });
    let mut news = station.clone();
    tokio::spawn(async move {
        loop {
            if let Some(info) = news.borrow_and_update().clone() {
                say(&format!("station {} {} {}", info.pid, info.port, hex(&info.node_id)));
            }
            if news.changed().await.is_err() {
                return;
            }
        }
    });

    let mut pool = None;
    if link != "None" {
        let first = station.wait_for(Option::is_some).await.unwrap().clone().unwrap();
        let linked = dial(&first).await;
        pool = Some((linked.clone(), first.realm));
        if link == "Told" {
            tokio::spawn(speak_up(linked, station));
        }
    }

    let mut orders = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(order)) = orders.next_line().await {
        if order == "leave" {
            let begun = Instant::now();
            mesh.leave().await;
            say(&format!("left {}", begun.elapsed().as_millis()));
            return;
        }
        let procedure = order.strip_prefix("call ").unwrap().to_owned();
        let (pool, realm) = pool.clone().unwrap();
        tokio::spawn(async move {
            let call = Call { realm, procedure, timeout: Duration::from_secs(3), ..Call::default() };
            match pool.call(call).await {
                Ok(answer) => say(&format!("answer ok {answer:?}")),
                Err(error) => say(&format!("answer no {error:?}")),
            }
        });
    }
}

/// A pool on the station, serving what tells who answered.
async fn dial(info: &StationInfo) -> Pool {
    let identity = NodeKey::generate_identity(Profile::PqPure, PUZZLE_DIFFICULTY).unwrap();
    let mut opts = Opts::new(Arc::new(identity));
    opts.realm_trust = HashMap::from([(info.realm, info.realm_key.clone())]);
    opts.respawn_delay = Duration::from_millis(200);
    let seed = Seed { host: info.host.clone(), port: info.port, node_id: info.node_id };
    let pool = Pool::connect(vec![seed], opts).await.unwrap();
    claim(&pool, info).await;
    let who = format!("{ORG}/who_{}_v1", &hex(&pool.node_id())[..16]);
    let slow = own_procedure(&pool.node_id(), "slow");
    for (procedure, pause) in [(&who, Duration::ZERO), (&slow, Duration::from_millis(700))] {
        let answer = handler(move |_| async move {
            say("asked x");
            tokio::time::sleep(pause).await;
            Ok(Value::Map(vec![(Value::text("pid"), Value::Int(std::process::id().into()))]))
        });
        // Kept by the pool.
        let _ = pool.serve(Offer::unary(info.realm, procedure, answer)).await.unwrap();
    }
    // Only now may the station die: what is not yet served would not be served again.
    say(&format!("serves-slow {slow}"));
    say(&format!("serves-who {who}"));
    pool
}

/// Asks the realm for an org: once, with the station that is there first.
async fn claim(pool: &Pool, info: &StationInfo) {
    let procedure = format!("{}/_realm/_realm/identity/request_provider_authorization_v1", info.realm_name);
    let payload = [("org", ORG), ("service_name", "part"), ("box", "here")];
    let payload = Value::Map(payload.map(|(name, text)| (Value::text(name), Value::text(text))).into());
    let call = Call { realm: info.realm, procedure, payload, timeout: BOUND, ..Call::default() };
    pool.call(call).await.unwrap();
}

/// Says something to each station that comes in the place of another: a link to a dead one gets a reset for
/// an answer, and ends; one that is up again gets a real one.
async fn speak_up(pool: Pool, mut station: watch::Receiver<Option<StationInfo>>) {
    station.mark_unchanged();
    while station.changed().await.is_ok() {
        if station.borrow_and_update().is_some() {
            let _ = pool.find_record(&[0; 32]).await;
        }
    }
}
