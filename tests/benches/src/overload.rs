//! More calls than a service takes: ten thousand at once, then ten times its capacity, over a Unix socket and over
//! the mesh. Capacity is places divided by the time that each call holds one, so that it is no matter of processors.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hecate_om::prelude::*;
use hecate_om::testing::{self, Setup, TestService};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::Outcome;
use crate::client::Reply;
use crate::fleet::Member;
use crate::provider::{Hold, Provider, Word};
use crate::report::{Table, machine};

/// So many calls at once.
const AT_ONCE: usize = 10_000;
/// So many times the capacity is offered, for so long.
const TIMES: usize = 10;
const WINDOW: Duration = Duration::from_secs(10);
/// What is not looked at, at its beginning.
const WARM: Duration = Duration::from_secs(2);
/// After an overload so many calls in a row have to be answered.
const IN_A_ROW: usize = 10;
/// How long a call may take that is sure to be answered.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is promised.
const REFUSED_WITHIN: Duration = Duration::from_millis(5);
const GOODPUT: f64 = 0.9;
const RECOVERY: Duration = Duration::from_secs(1);
/// The bound of the tests in tests/faults: what a connection and its call may take, in KiB.
const KIB_PER_CALL: f64 = 48.0;

/// Where calls come from that go over the mesh.
struct Offerer;

static CONTEXT: Mutex<Option<Context<Offerer>>> = Mutex::new(None);

/// Calls more often than it should.
#[hecate_service(name = "hecate-offerer", uses(Provider))]
impl Offerer {
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        *CONTEXT.lock().unwrap_or_else(PoisonError::into_inner) = Some(context);
        Ok(Self)
    }
}

/// By which way calls go, to which capability.
#[derive(Clone)]
enum Way {
    Socket(PathBuf),
    Mesh(Context<Offerer>),
}

/// When one of the callers calls who offer ten times the capacity together.
///
/// Each keeps its turns, whatever comes of its calls. Whoever comes again so long after its last answer is out of step
/// once it was answered, and soon all come in crowds: there a call waits for the signatures of the others, which is
/// about when they came, and not about what is refused. In the same crowds answers take as long as refusals.
struct Turns {
    next: Instant,
    period: Duration,
}

/// What came of a call.
enum Came {
    Answered,
    Overloaded,
    /// Anything else, over the mesh: that its link did not bear it.
    Failed(String),
}

/// One caller, who has one call at a time.
enum Line {
    Socket(Box<Wire>),
    Mesh(Context<Offerer>),
}

struct Wire {
    stream: UnixStream,
    answer: Vec<u8>,
}

impl Way {
    fn label(&self) -> &'static str {
        match self {
            Way::Socket(_) => "Unix socket",
            Way::Mesh(_) => "mesh",
        }
    }

    fn places(&self) -> usize {
        match self {
            Way::Socket(_) => 32,
            Way::Mesh(_) => 4,
        }
    }

    /// How long a call holds its place: over the mesh so long that ten times the capacity leaves processors idle,
    /// of which each call takes several milliseconds for its signatures.
    fn hold(&self) -> Duration {
        match self {
            Way::Socket(_) => Duration::from_millis(50),
            Way::Mesh(_) => Duration::from_millis(400),
        }
    }

    fn capacity(&self) -> f64 {
        self.places() as f64 / self.hold().as_secs_f64()
    }

    async fn open(&self) -> Outcome<Line> {
        Ok(match self {
            Way::Socket(path) => {
                Line::Socket(Box::new(Wire { stream: UnixStream::connect(path).await?, answer: vec![0; 4096] }))
            }
            Way::Mesh(context) => Line::Mesh(context.clone()),
        })
    }
}

impl Turns {
    /// Of all callers, evenly. There are a quarter more of them than would do, who come so much later each time: who is
    /// answered is back before the next turn, and none is missed.
    fn of_all(way: &Way, begun: Instant) -> Outcome<Vec<Self>> {
        let callers = u32::try_from(TIMES * way.places() * 5 / 4)?;
        let period = way.hold() * 5 / 4;
        Ok((0..callers).map(|number| Self { next: begun + period * number / callers, period }).collect())
    }

    /// Waits for the next one; says when that is. Those that have gone by are left out.
    async fn wait(&mut self) -> Instant {
        while self.next < Instant::now() {
            self.next += self.period;
        }
        tokio::time::sleep_until(self.next.into()).await;
        self.next += self.period;
        Instant::now()
    }
}

impl Line {
    async fn call(&mut self, hold: Duration) -> Outcome<Came> {
        let millis = u64::try_from(hold.as_millis())?;
        match self {
            Line::Socket(wire) => wire.call(millis).await,
            Line::Mesh(context) => match Provider::FORD.call(context, Hold { millis }).timeout(PATIENCE).await {
                Ok(()) => Ok(Came::Answered),
                Err(error) if error.code() == Some("overloaded") && error.is_retryable() => Ok(Came::Overloaded),
                Err(error) => Ok(Came::Failed(error.to_string())),
            },
        }
    }
}

impl Wire {
    async fn call(&mut self, millis: u64) -> Outcome<Came> {
        let body = format!(r#"{{"millis":{millis}}}"#);
        let length = body.len();
        let head =
            format!("POST /capabilities/provider.cross/v1 HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}");
        self.stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await?;
        let mut filled = 0;
        loop {
            match self.stream.read(&mut self.answer[filled..]).await? {
                0 => return Err("the service closed a connection without an answer".into()),
                read => filled += read,
            }
            let Some(reply) = Reply::parse(&self.answer[..filled])? else { continue };
            let text = String::from_utf8_lossy(reply.body);
            let is_to_come_again = text.contains(r#""code":"overloaded""#) && text.contains(r#""retry_after_ms":1000"#);
            return match reply.status {
                200 => Ok(Came::Answered),
                503 if is_to_come_again => Ok(Came::Overloaded),
                status => Err(format!("a call was answered with {status}: {text}").into()),
            };
        }
    }
}

/// What came of many calls at once.
struct Burst {
    answered: usize,
    refused: usize,
    failed: Vec<String>,
    took: Duration,
    recovery: Duration,
    kib_per_call: f64,
}

/// What came of ten times the capacity.
struct Flood {
    failed: Vec<String>,
    offered: f64,
    goodput: f64,
    /// Of refusals, sorted.
    refused: Vec<Duration>,
    recovery: Duration,
}

/// Measures both ways, prints what came of it, and says whether all is as promised.
pub(crate) fn run() -> Outcome<bool> {
    allow_files()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let task = runtime.spawn(measure());
    runtime.block_on(task)?
}

/// Lets this process, and the service that it starts, have as many files as that takes: a service gives half of its
/// own to connections.
fn allow_files() -> Outcome<()> {
    const ENOUGH: u64 = 2 * AT_ONCE as u64;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if maximum.is_none_or(|most| most >= ENOUGH) {
        return Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?);
    }
    // Only root may have more than it was given.
    let more = Rlimit { current: Some(ENOUGH), maximum: Some(ENOUGH) };
    let few = |_| format!("{AT_ONCE} calls at once need {ENOUGH} files, this process may have {maximum:?}");
    Ok(setrlimit(Resource::Nofile, more).map_err(few)?)
}

async fn measure() -> Outcome<bool> {
    println!("{}", machine("overload"));
    let mut table = Table::new(&["", "measured", "limit", ""]);
    let mut passed = true;

    let folder = tempfile::Builder::new().prefix("hecate-om-overload-").tempdir()?;
    let mut provider = Member::new("provider", "server-load", "hecate-provider", &folder.path().join("socket"));
    provider = provider.with("HECATE_MESH", "off");
    let provider = started(provider, false).await?;
    let way = Way::Socket(provider.socket());
    passed &= judge(&mut table, &way, &provider, Duration::ZERO).await?;
    drop(provider);

    let mesh = testing::Mesh::start().await?;
    let mut provider = Member::new("provider", "server-load", "hecate-provider", &folder.path().join("mesh"));
    for (variable, value) in mesh.variables() {
        provider = provider.with(variable, value);
    }
    let provider = started(provider, true).await?;
    let offerer: TestService<Offerer> = Setup::new().on(&mesh).start().await?;
    let context = CONTEXT.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or("the offerer did not start")?;
    let way = Way::Mesh(context.clone());
    let baseline = baseline(&way, &context).await?;
    let [usual, slow] = [50, 99].map(|percent| percentile(&baseline, percent));
    passed &= judge(&mut table, &way, &provider, slow).await?;
    offerer.stop().await;

    println!("{table}");
    println!(
        "Over the mesh a refusal is compared with an answer: {:.1} ms is the p99 of `say` at the same turns without \
         overload (p50 {:.1} ms), nearly all of it signatures of caller and provider.",
        slow.as_secs_f64() * 1e3,
        usual.as_secs_f64() * 1e3
    );
    Ok(passed)
}

/// Starts a member, off the workers.
async fn started(mut member: Member, on_mesh: bool) -> Outcome<Member> {
    tokio::task::spawn_blocking(move || {
        member.start()?;
        if on_mesh {
            member.wait_until_advertised()?;
        }
        Ok(member)
    })
    .await?
}

async fn judge(table: &mut Table, way: &Way, provider: &Member, baseline: Duration) -> Outcome<bool> {
    recovered(way).await?;
    // In this order: the SDK looks through all calls of the last minutes at each new one, and a burst leaves many.
    let flood = flood(way).await?;
    let burst = burst(way, provider).await?;
    let label = way.label();
    let mut passed = true;
    let mut row = |what: String, measured: String, limit: String, holds: bool| {
        passed &= holds;
        table.row(vec![format!("{label}: {what}"), measured, limit, if holds { "" } else { "broken" }.to_owned()]);
    };
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let all = burst.answered + burst.refused;
    row(
        format!("{AT_ONCE} at once, answered and refused"),
        format!("{} and {}", burst.answered, burst.refused),
        format!("{AT_ONCE} in all"),
        all == AT_ONCE,
    );
    row("all of them took".to_owned(), ms(burst.took), "-".to_owned(), true);
    row(
        "memory for each at most".to_owned(),
        format!("{:.1} KiB", burst.kib_per_call),
        format!("{KIB_PER_CALL} KiB"),
        burst.kib_per_call < KIB_PER_CALL,
    );
    row("answered again after".to_owned(), ms(burst.recovery), ms(RECOVERY), burst.recovery < RECOVERY);
    let offered = flood.offered / way.capacity();
    row(
        format!("offered, of a capacity of {:.0}/s", way.capacity()),
        format!("{offered:.1} times"),
        format!("{:.1} times at least", TIMES as f64 * 0.8),
        offered >= TIMES as f64 * 0.8,
    );
    let goodput = flood.goodput / way.capacity();
    row("goodput, of capacity".to_owned(), format!("{goodput:.3}"), format!("{GOODPUT} at least"), goodput >= GOODPUT);
    row("refused within (p50)".to_owned(), ms(percentile(&flood.refused, 50)), "-".to_owned(), true);
    let p99 = percentile(&flood.refused, 99);
    let limit = REFUSED_WITHIN + baseline;
    let shown =
        if baseline.is_zero() { ms(limit) } else { format!("{} more than {}", ms(REFUSED_WITHIN), ms(baseline)) };
    row("refused within (p99)".to_owned(), ms(p99), shown, p99 < limit && !flood.refused.is_empty());
    for (what, failed) in [("at once", &burst.failed), ("at ten times the capacity", &flood.failed)] {
        let told = failed.last().map(|last| format!(", such as: {last}")).unwrap_or_default();
        row(
            format!("neither answered nor refused, {what}"),
            format!("{}{told}", failed.len()),
            "0".to_owned(),
            failed.is_empty(),
        );
    }
    row("answered again after it".to_owned(), ms(flood.recovery), ms(RECOVERY), flood.recovery < RECOVERY);
    Ok(passed)
}

/// Waits until calls are answered in a row; says when the first of them began.
async fn recovered(way: &Way) -> Outcome<Duration> {
    let begun = Instant::now();
    let mut line = way.open().await?;
    let (mut in_a_row, mut since) = (0, begun);
    while in_a_row < IN_A_ROW {
        if begun.elapsed() > PATIENCE {
            return Err(format!("{}: not answered again within {PATIENCE:?}", way.label()).into());
        }
        let asked = Instant::now();
        match line.call(Duration::from_millis(1)).await? {
            Came::Answered if in_a_row == 0 => (in_a_row, since) = (1, asked),
            Came::Answered => in_a_row += 1,
            Came::Overloaded | Came::Failed(_) => {
                in_a_row = 0;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
    Ok(since - begun)
}

async fn burst(way: &Way, provider: &Member) -> Outcome<Burst> {
    let before = provider.kib("VmRSS")?;
    let begun = Instant::now();
    let calls: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let way = way.clone();
            tokio::spawn(async move {
                let mut line = way.open().await?;
                let came = line.call(way.hold()).await?;
                // The connection stays until all have their answers.
                Outcome::Ok((came, line))
            })
        })
        .collect();
    let (mut answered, mut refused, mut failed, mut lines) = (0, 0, Vec::new(), Vec::new());
    for call in calls {
        let (came, line) = call.await??;
        lines.push(line);
        match came {
            Came::Answered => answered += 1,
            Came::Overloaded => refused += 1,
            Came::Failed(why) => failed.push(why),
        }
    }
    let took = begun.elapsed();
    let kib_per_call = provider.kib("VmHWM")?.saturating_sub(before) as f64 / AT_ONCE as f64;
    drop(lines);
    let recovery = recovered(way).await?;
    Ok(Burst { answered, refused, failed, took, recovery, kib_per_call })
}

async fn flood(way: &Way) -> Outcome<Flood> {
    let over = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let tasks: Vec<_> = Turns::of_all(way, begun)?
        .into_iter()
        .map(|mut turns| {
            let (way, over) = (way.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                let mut line = way.open().await?;
                let mut seen = Vec::new();
                loop {
                    let asked = turns.wait().await;
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let came = line.call(way.hold()).await?;
                    let took = asked.elapsed();
                    // By their ends: those that are still held when it is over are no part of what it answered.
                    if (WARM..WARM + WINDOW).contains(&begun.elapsed()) {
                        seen.push((came, took));
                    }
                }
                Outcome::Ok(seen)
            })
        })
        .collect();
    tokio::time::sleep(WARM + WINDOW).await;
    over.store(true, Ordering::Relaxed);
    let recovering = tokio::spawn({
        let way = way.clone();
        async move { recovered(&way).await }
    });
    let (mut answered, mut refused, mut failed) = (0, Vec::new(), Vec::new());
    for task in tasks {
        for (came, took) in task.await?? {
            match came {
                Came::Answered => answered += 1,
                Came::Overloaded => refused.push(took),
                Came::Failed(why) => failed.push(why),
            }
        }
    }
    refused.sort_unstable();
    let seconds = WINDOW.as_secs_f64();
    let offered = (answered + refused.len() + failed.len()) as f64 / seconds;
    let goodput = f64::from(u32::try_from(answered)?) / seconds;
    Ok(Flood { failed, offered, goodput, refused, recovery: recovering.await?? })
}

/// How long answers take over the mesh, sorted, at the turns of the flood, when nothing is overloaded.
async fn baseline(way: &Way, context: &Context<Offerer>) -> Outcome<Vec<Duration>> {
    let begun = Instant::now();
    let tasks: Vec<_> = Turns::of_all(way, begun)?
        .into_iter()
        .map(|mut turns| {
            let context = context.clone();
            tokio::spawn(async move {
                let mut took = Vec::new();
                while begun.elapsed() < WARM + WINDOW {
                    let asked = turns.wait().await;
                    Provider::SAY.call(&context, Word { text: "a".to_owned() }).timeout(PATIENCE).await?;
                    if (WARM..WARM + WINDOW).contains(&begun.elapsed()) {
                        took.push(asked.elapsed());
                    }
                }
                Outcome::Ok(took)
            })
        })
        .collect();
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await??);
    }
    if took.is_empty() {
        return Err("nothing was answered over the mesh".into());
    }
    took.sort_unstable();
    Ok(took)
}

/// Of times that are sorted.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}
