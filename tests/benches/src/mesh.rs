//! One call over the mesh: through hecate-om, and with the SDK alone. Both sides of both are in this process, on
//! the same station, and take turns, so that all meet the same weather; each has threads, keys and links of
//! its own. The same call in this process and over a Unix socket is beside them.
//!
//! Nearly all of a call over the mesh is the signatures of two requests and replies, whose number of tries is
//! random: only the middle of many calls says anything.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hecate_om::Via;
use hecate_om::prelude::*;
use hecate_om::testing::{self, Setup, TestService};
use macula_rust::cbor::Value;
use macula_rust::node_key::{NodeKey, PUZZLE_DIFFICULTY};
use macula_rust::pool::{self, Offer, Opts, Pool, Seed, Served};
use macula_rust::profile::Profile;
use macula_rust::record;
use macula_rust::station_link::{AdmissionLimits, Request, handler};
use tokio::runtime::{Builder, Handle};

use crate::Outcome;
use crate::echo::{Echo, Say};
use crate::process::{Launch, Process, Server};
use crate::report::{Table, median};

/// Every way is taken so often in turn: with a third of the calls, a ratio of 1.05 may as well be 1.03 or 1.09.
const ROUNDS: usize = 120;
/// With so many calls at a time.
const CALLS: usize = 50;
/// The first calls look for providers and fill caches.
const WARM: usize = 10;
const BYTES: usize = 64;

/// What the SDK's own numbers would refuse: the 257th call of a caller in five minutes. These are hecate-om's.
const ADMISSION: AdmissionLimits = AdmissionLimits {
    caller_quota: 20_000,
    share: 65_536,
    cap: 131_072,
    reply_bytes: 256 * 1024,
    reply_bytes_total: 16 * 1024 * 1024,
    sessions_per_caller: 16,
    sessions: 1000,
    inbox_bytes_per_caller: 16 * 1024 * 1024,
    inbox_bytes: 256 * 1024 * 1024,
};

/// Says back what it is told, to anyone.
#[derive(Default)]
struct Open;

/// Says back what it is told, to anyone.
#[hecate_service(name = "hecate-open")]
impl Open {
    /// Says it back.
    #[capability(version = 1, access = open, limits(per_caller = "20000/10s", total = "20000/10s"))]
    async fn say(&self, request: Say) -> Result<Say> {
        Ok(request)
    }
}

/// Calls the others.
struct Caller;

/// From where calls are made: each caller leaves it here when it starts.
static CONTEXT: Mutex<Option<Context<Caller>>> = Mutex::new(None);

/// Calls the others.
#[hecate_service(name = "hecate-caller", uses(Echo, Open))]
impl Caller {
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        *CONTEXT.lock().unwrap_or_else(PoisonError::into_inner) = Some(context);
        Ok(Self)
    }
}

/// A caller that runs, and where its calls begin.
struct Calling {
    service: TestService<Caller>,
    context: Context<Caller>,
}

impl Calling {
    async fn from(setup: Setup<Caller>) -> Outcome<Self> {
        let service = setup.start().await?;
        let context = CONTEXT.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(Self { service, context: context.ok_or("the caller did not start")? })
    }

    /// The folder in which the services of its box find each other.
    fn runtime_dir(&self) -> Outcome<PathBuf> {
        let folder = self.service.socket().ancestors().nth(3);
        Ok(folder.map(Path::to_owned).ok_or("a socket is in no folder")?)
    }
}

/// The SDK alone: what somebody would write who has no hecate-om. Its handler runs where its links live, or apart from
/// them, so that it may block: hecate-om has it so.
struct Bare {
    caller: Pool,
    realm: [u8; 32],
    procedure: String,
    _served: Served,
    provider: Pool,
}

impl Bare {
    async fn over(variables: &HashMap<&str, String>, answering: &Handle, apart: Option<Handle>) -> Outcome<Self> {
        let seed = variables.get("MACULA_STATION_SEEDS").and_then(|seed| seed.rsplit_once(':'));
        let (host, port) = seed.ok_or("the mesh has no station")?;
        let bytes_of = |name: &str| variables.get(name).and_then(|text| from_hex(text)).ok_or("the mesh tells no key");
        let node_id: [u8; 32] = bytes_of("MACULA_STATION_NODE_IDS")?.try_into().map_err(|_| "no node id")?;
        let seed = Seed { host: host.to_owned(), port: port.parse()?, node_id };
        let connect = async move || {
            let identity = NodeKey::generate_identity(Profile::PqPure, PUZZLE_DIFFICULTY)?;
            let mut options = Opts::new(Arc::new(identity));
            options.admission = Some(ADMISSION);
            // Sealed, as hecate-om's calls are.
            options.kem_advertise = true;
            Outcome::Ok(Pool::connect(vec![seed.clone()], options).await?)
        };
        let serving = {
            let connect = connect.clone();
            async move {
                let provider = connect().await?;
                let procedure = record::own_procedure(&provider.node_id(), "say_v1");
                let realm = [1; 32];
                let say = handler(move |request| {
                    let apart = apart.clone();
                    async move {
                        match apart {
                            None => said(&request),
                            Some(workers) => {
                                workers.spawn(async move { said(&request) }).await.map_err(|error| error.to_string())?
                            }
                        }
                    }
                });
                let served = provider.serve(Offer::unary(realm, &procedure, say)).await?;
                Outcome::Ok((provider, served, realm, procedure))
            }
        };
        let (provider, served, realm, procedure) = answering.spawn(serving).await??;
        Ok(Self { caller: connect().await?, realm, procedure, _served: served, provider })
    }

    async fn call(&self, text: &str) -> Outcome<String> {
        let call = pool::Call {
            realm: self.realm,
            procedure: self.procedure.clone(),
            payload: Value::Map(vec![(Value::text("text"), Value::text(text))]),
            timeout: Duration::from_secs(30),
            ..pool::Call::default()
        };
        match self.caller.call(call).await?.get("text") {
            Some(Value::Text(text)) => Ok(text.clone()),
            _ => Err("the reply has no text".into()),
        }
    }

    async fn close(self) {
        self.caller.close().await;
        self.provider.close().await;
    }
}

fn said(request: &Request) -> Result<Value, String> {
    let Some(Value::Text(text)) = request.payload.get("text") else { return Err("no text".to_owned()) };
    Ok(Value::Map(vec![(Value::text("text"), Value::text(text.clone()))]))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect()).flatten()
}

/// By which way a call goes.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// The mesh, with the SDK alone.
    Bare,
    /// The same, with its handler apart from its links.
    Apart,
    /// The mesh, through hecate-om, to a capability that is open to all.
    Open,
    /// The mesh, through hecate-om, to one that asks for a token of the realm.
    Realm,
    /// A Unix socket, to another process.
    Box,
    /// Within this process.
    Process,
}

/// In the order of their declaration.
const WAYS: [Way; 6] = [Way::Bare, Way::Apart, Way::Open, Way::Realm, Way::Box, Way::Process];

impl Way {
    fn label(self) -> &'static str {
        match self {
            Way::Bare => "the SDK alone, over the mesh",
            Way::Apart => "the SDK alone, its handler apart from its links",
            Way::Open => "hecate-om, over the mesh, `access = open`",
            Way::Realm => "hecate-om, over the mesh, `access = realm`",
            Way::Box => "hecate-om, over a Unix socket",
            Way::Process => "hecate-om, in one process",
        }
    }

    fn via(self) -> Via {
        match self {
            Way::Bare | Way::Apart | Way::Open | Way::Realm => Via::Mesh,
            Way::Box => Via::Box,
            Way::Process => Via::Process,
        }
    }
}

/// Everything that takes part.
struct Parties {
    bare: Bare,
    apart: Bare,
    on_mesh: Calling,
    on_box: Calling,
    in_process: Calling,
    /// Where the provider of `on_box` runs.
    server: Mutex<Process>,
}

impl Parties {
    async fn call(&self, way: Way, text: &str) -> Outcome<()> {
        let say = Say { text: text.to_owned() };
        let (said, via) = match way {
            Way::Bare => (self.bare.call(text).await?, Via::Mesh),
            Way::Apart => (self.apart.call(text).await?, Via::Mesh),
            Way::Open => {
                let answered = Open::SAY.call(&self.on_mesh.context, say).detailed().await?;
                (answered.reply.text, answered.via)
            }
            Way::Realm | Way::Box | Way::Process => {
                let from = match way {
                    Way::Box => &self.on_box,
                    Way::Process => &self.in_process,
                    _ => &self.on_mesh,
                };
                let answered = Echo::SAY.call(&from.context, say).detailed().await?;
                (answered.reply.text, answered.via)
            }
        };
        if said != text || via != way.via() {
            return Err(format!("{}: {said:?} came back, via {via}", way.label()).into());
        }
        Ok(())
    }

    /// CPU time so far: of this process without its station, of the station, of the server.
    fn cpu(&self) -> Outcome<[Duration; 3]> {
        let [mut own, mut station] = [Duration::ZERO; 2];
        for task in fs::read_dir("/proc/self/task")? {
            let task = task?.path();
            // A thread may end meanwhile.
            let (Ok(name), Ok(time)) =
                (fs::read_to_string(task.join("comm")), fs::read_to_string(task.join("schedstat")))
            else {
                continue;
            };
            let time = time.split(' ').next().and_then(|first| first.parse().ok()).map(Duration::from_nanos);
            *(if name.trim() == "hecate-station" { &mut station } else { &mut own }) += time.ok_or("no schedstat")?;
        }
        let server = self.server.lock().map_err(|_| "a measurement panicked")?.cpu()?;
        Ok([own, station, server])
    }
}

/// What one way took in one round.
#[derive(Default)]
struct Round {
    /// Microseconds, of each call.
    took: Vec<f64>,
    /// Microseconds of CPU per call: of caller and provider, and with the station.
    cpu: f64,
    cpu_with_station: f64,
}

/// Measures, and says it in Markdown.
pub(crate) fn run() -> Outcome<String> {
    // As many threads as hecate-om gives links, on each side.
    let runtime = |name: &str| Builder::new_multi_thread().worker_threads(2).thread_name(name).enable_all().build();
    let [calling, answering, working] = ["bare-caller", "bare-provider", "bare-worker"].map(runtime);
    let (calling, answering, working) = (calling?, answering?, working?);
    // Not on the thread that waits: a caller by hand is a task, too.
    let measuring = measure(answering.handle().clone(), working.handle().clone());
    let told = calling.block_on(async { calling.spawn(measuring).await });
    told?
}

async fn measure(answering: Handle, working: Handle) -> Outcome<String> {
    let mesh = testing::Mesh::start().await?;
    let variables = mesh.variables().into_iter().collect();
    let bare = Bare::over(&variables, &answering, None).await?;
    let apart = Bare::over(&variables, &answering, Some(working)).await?;
    let open = Setup::<Open>::new().on(&mesh).start().await?;
    let echo = Setup::<Echo>::new().on(&mesh).start().await?;
    let on_mesh = Calling::from(Setup::new().on(&mesh)).await?;
    let on_box = Calling::from(Setup::new()).await?;
    let runtime_dir = Some(on_box.runtime_dir()?);
    let server = Launch { runtime_dir, ..Launch::of(Server::Hecate) }.ready()?;
    let beside = testing::start::<Echo>().await?;
    let in_process = Calling::from(Setup::new().beside(&beside)).await?;
    let parties = Parties { bare, apart, on_mesh, on_box, in_process, server: Mutex::new(server) };

    let text = "a".repeat(BYTES);
    for way in WAYS {
        for _ in 0..WARM {
            parties.call(way, &text).await?;
        }
    }
    let mut rounds: Vec<[Round; WAYS.len()]> = Vec::new();
    for number in 0..ROUNDS {
        let mut round: [Round; WAYS.len()] = Default::default();
        for step in 0..WAYS.len() {
            // Nobody always comes after the same one.
            let place = (number + step) % WAYS.len();
            round[place] = parties.visit(WAYS[place], &text).await?;
        }
        rounds.push(round);
    }

    let Parties { bare, apart, on_mesh, on_box, in_process, server } = parties;
    bare.close().await;
    apart.close().await;
    for caller in [on_mesh, on_box, in_process] {
        caller.service.stop().await;
    }
    server.into_inner().map_err(|_| "a measurement panicked")?.stop()?;
    open.stop().await;
    echo.stop().await;
    beside.stop().await;
    Ok(told(&rounds))
}

impl Parties {
    async fn visit(&self, way: Way, text: &str) -> Outcome<Round> {
        let mut took = Vec::with_capacity(CALLS);
        let before = self.cpu()?;
        for _ in 0..CALLS {
            let begun = Instant::now();
            self.call(way, text).await?;
            took.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        let after = self.cpu()?;
        let [own, station, server] =
            [0, 1, 2].map(|index| (after[index].saturating_sub(before[index])).as_secs_f64() * 1e6 / CALLS as f64);
        Ok(Round { took, cpu: own + server, cpu_with_station: own + station + server })
    }
}

fn told(rounds: &[[Round; WAYS.len()]]) -> String {
    let mut table =
        Table::new(&["one call at a time, 64 B", "least µs", "p50 µs", "p99 µs", "CPU µs/call", "with the station"]);
    let of = |what: &dyn Fn(&[Round; WAYS.len()]) -> f64| median(rounds.iter().map(what).collect());
    for (index, way) in WAYS.iter().enumerate() {
        let mut took: Vec<f64> = rounds.iter().flat_map(|round| round[index].took.iter().copied()).collect();
        took.sort_by(f64::total_cmp);
        let share = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or(f64::NAN);
        table.row(vec![
            way.label().to_owned(),
            format!("{:.0}", share(0)),
            format!("{:.0}", share(50)),
            format!("{:.0}", share(99)),
            format!("{:.0}", of(&|round| round[index].cpu)),
            format!("{:.0}", of(&|round| round[index].cpu_with_station)),
        ]);
    }
    let total =
        |index: usize, what: &dyn Fn(&Round) -> f64| rounds.iter().map(|round| what(&round[index])).sum::<f64>();
    let p50 = |round: &Round| median(round.took.clone());
    let least =
        |index: usize| rounds.iter().flat_map(|round| round[index].took.iter().copied()).fold(f64::INFINITY, f64::min);
    let open = Way::Open as usize;
    let against = |name: &str, base: Way| {
        let base = base as usize;
        format!(
            "hecate-om, open, against {name}: least latency {:.3}, p50 {:.3}, CPU {:.3}, with the station {:.3} \
             (medians of the ratios of each round, but the first; all CPU over all CPU: {:.3}).\n",
            least(open) / least(base),
            of(&|round| p50(&round[open]) / p50(&round[base])),
            of(&|round| round[open].cpu / round[base].cpu),
            of(&|round| round[open].cpu_with_station / round[base].cpu_with_station),
            total(open, &|round| round.cpu) / total(base, &|round| round.cpu),
        )
    };
    format!(
        "{table}\n{}{}{ROUNDS} rounds of {CALLS} calls each way, in turns, one at a time.\n",
        against("the SDK alone", Way::Bare),
        against("the SDK alone with its handler apart", Way::Apart),
    )
}
