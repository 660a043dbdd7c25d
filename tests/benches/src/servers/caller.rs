//! The service that calls while it is soaked: at the rate that it is told, a mix of everything that can be called, and
//! of every way to do it badly. It keeps counts, never calls, so that it takes no more memory the longer it runs.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll};
use std::time::Duration;

use futures_core::Stream;
use hecate_om::prelude::*;
use tokio::time::Instant;

use super::provider::{Hold, Number, Provider, Upto, Word};

/// How long a call may take: far longer than it does, unless somebody is gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many calls wait at most; what would be more is not offered, and counted.
const MOST: usize = 512;
/// How many numbers a stream has.
const NUMBERS: u64 = 20;
/// How long a slow reader waits before each.
const SLOW: Duration = Duration::from_millis(20);
/// Above the first bound, which is 10 us, each is 5 % wider: up to some 150 s.
const BOUNDS: usize = 340;

/// Calls.
pub(crate) struct Caller {
    shared: Arc<Shared>,
}

struct Shared {
    context: Context<Caller>,
    /// Calls in a thousand seconds.
    pace: AtomicU64,
    waiting: AtomicUsize,
    window: Mutex<Window>,
}

/// What came since somebody last asked.
struct Window {
    counts: BTreeMap<(&'static str, String), u64>,
    took: [u64; BOUNDS],
    not_offered: u64,
    last: Option<String>,
}

impl Default for Window {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), took: [0; BOUNDS], not_offered: 0, last: None }
    }
}

/// How many calls to make.
#[message]
pub(crate) struct Pace {
    per_second: f64,
}

/// So many calls of one kind came to the same.
#[message]
pub(crate) struct Came {
    pub(crate) what: String,
    /// `ok` where it was what it should be.
    pub(crate) to: String,
    pub(crate) times: u64,
}

/// What came since somebody last asked.
#[message]
pub(crate) struct Told {
    pub(crate) came: Vec<Came>,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) waiting: u64,
    pub(crate) not_offered: u64,
    pub(crate) tasks: u64,
    /// The last error in full.
    pub(crate) last: Option<String>,
}

/// Calls the provider.
#[hecate_service(name = "hecate-caller", uses(Provider))]
impl Caller {
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        let seed = std::env::var("LOAD_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
        let shared = Arc::new(Shared {
            context,
            pace: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            window: Mutex::default(),
        });
        tokio::spawn(Arc::clone(&shared).offer(Chance(seed)));
        Ok(Self { shared })
    }

    /// Calls so often from now on.
    #[capability(version = 1)]
    async fn pace(&self, pace: Pace) -> Result<()> {
        self.shared.pace.store((pace.per_second * 1000.0) as u64, Ordering::Relaxed);
        Ok(())
    }

    /// What came since somebody last asked.
    #[capability(version = 1)]
    async fn told(&self) -> Result<Told> {
        let window = std::mem::take(&mut *self.shared.window());
        let came = window.counts.into_iter().map(|((what, to), times)| Came { what: what.to_owned(), to, times });
        Ok(Told {
            came: came.collect(),
            p50_us: percentile(&window.took, 50),
            p99_us: percentile(&window.took, 99),
            waiting: self.shared.waiting.load(Ordering::Relaxed) as u64,
            not_offered: window.not_offered,
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks() as u64,
            last: window.last,
        })
    }
}

fn bound(index: usize) -> f64 {
    10.0 * 1.05_f64.powi(i32::try_from(index).unwrap_or(i32::MAX))
}

fn percentile(took: &[u64; BOUNDS], percent: u64) -> f64 {
    let wanted = (took.iter().sum::<u64>() * percent).div_ceil(100);
    let mut seen = 0;
    let index = took.iter().position(|count| {
        seen += count;
        seen >= wanted && seen > 0
    });
    index.map_or(0.0, bound)
}

/// What is called, and how.
#[derive(Clone, Copy)]
enum What {
    Say,
    SayMuch,
    SayNothing,
    TooLarge,
    Unauthorized,
    Full,
    Stream,
    SlowReader,
    VanishingReader,
    Send,
    VanishingSender,
}

/// Of a hundred calls, so many are of each kind.
const MIX: [(What, usize); 11] = [
    (What::Say, 50),
    (What::SayMuch, 8),
    (What::SayNothing, 6),
    (What::TooLarge, 4),
    (What::Unauthorized, 4),
    (What::Full, 6),
    (What::Stream, 8),
    (What::SlowReader, 3),
    (What::VanishingReader, 4),
    (What::Send, 5),
    (What::VanishingSender, 2),
];

impl What {
    fn drawn(mut place: usize) -> Self {
        for (what, share) in MIX {
            match place.checked_sub(share) {
                Some(rest) => place = rest,
                None => return what,
            }
        }
        What::Say
    }

    fn name(self) -> &'static str {
        match self {
            What::Say => "unary, 64 B",
            What::SayMuch => "unary, 16 KiB",
            What::SayNothing => "refused by the handler",
            What::TooLarge => "too large",
            What::Unauthorized => "unauthorized",
            What::Full => "unary, places for some",
            What::Stream => "server stream",
            What::SlowReader => "server stream, slow reader",
            What::VanishingReader => "server stream, reader leaves",
            What::Send => "client stream",
            What::VanishingSender => "client stream, sender leaves",
        }
    }

    /// What may come of it besides a reply.
    fn may(self, code: &str) -> bool {
        matches!((self, code), (What::Full, "overloaded"))
    }

    /// What has to come of it in place of a reply.
    fn must(self) -> Option<&'static str> {
        match self {
            What::SayNothing => Some("silence"),
            What::TooLarge => Some("payload_too_large"),
            What::Unauthorized => Some("unauthorized"),
            _ => None,
        }
    }
}

/// What came of a call that was answered wrongly.
const WRONG: &str = "a wrong answer";

impl Shared {
    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn offer(self: Arc<Self>, mut chance: Chance) {
        let mut next = Instant::now();
        loop {
            let pace = self.pace.load(Ordering::Relaxed);
            if pace == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                next = Instant::now();
                continue;
            }
            next += Duration::from_micros(1_000_000_000 / pace);
            tokio::time::sleep_until(next).await;
            let what = What::drawn(chance.below(100));
            if self.waiting.load(Ordering::Relaxed) >= MOST {
                self.window().not_offered += 1;
                continue;
            }
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let shared = Arc::clone(&self);
            tokio::spawn(async move {
                let begun = Instant::now();
                let came = shared.call(what).await;
                shared.note(what, begun.elapsed(), came);
                shared.waiting.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    fn note(&self, what: What, took: Duration, came: Result<bool, CallError>) {
        let mut window = self.window();
        let to = match (&came, what.must()) {
            (Ok(true), None) => "ok".to_owned(),
            (Err(error), Some(must)) if error.code() == Some(must) => "ok".to_owned(),
            (Err(error), None) if error.code().is_some_and(|code| what.may(code)) => "ok".to_owned(),
            (Ok(_), _) => WRONG.to_owned(),
            (Err(error), _) => {
                window.last = Some(format!("{}: {}", what.name(), told(error)));
                kind(error)
            }
        };
        if matches!(what, What::Say) && to == "ok" {
            let took = took.as_secs_f64() * 1e6;
            let index = (0..BOUNDS).find(|index| took <= bound(*index)).unwrap_or(BOUNDS - 1);
            window.took[index] += 1;
        }
        *window.counts.entry((what.name(), to)).or_default() += 1;
    }

    /// Makes a call; says whether its answer was right.
    async fn call(&self, what: What) -> Result<bool, CallError> {
        let context = &self.context;
        let say = async |bytes: usize| {
            let text = "a".repeat(bytes);
            let said = Provider::SAY.call(context, Word { text: text.clone() }).timeout(PATIENCE).await?;
            Ok(said.text == text)
        };
        match what {
            What::Say => say(64).await,
            What::SayMuch => say(16 * 1024).await,
            What::SayNothing => say(0).await,
            What::TooLarge => {
                let call = Provider::WHISPER.call(context, Word { text: "a".repeat(2048) });
                call.timeout(PATIENCE).await.map(|_| false)
            }
            What::Unauthorized => {
                let call = Provider::CONFIDE.call(context, Word { text: "a".to_owned() });
                call.timeout(PATIENCE).await.map(|_| false)
            }
            What::Full => {
                let call = Provider::FORD.call(context, Hold { millis: 200 });
                call.timeout(PATIENCE).await.map(|()| true)
            }
            What::Stream => self.read(Duration::ZERO, NUMBERS).await,
            What::SlowReader => self.read(SLOW, NUMBERS).await,
            What::VanishingReader => self.read(Duration::ZERO, 3).await,
            What::Send => {
                let sum = Provider::ADD.send_all(context, Counting::to(NUMBERS)).timeout(PATIENCE).await?;
                Ok(sum.total == NUMBERS * (NUMBERS + 1) / 2)
            }
            What::VanishingSender => {
                let sending = Provider::ADD.send_all(context, Counting::for_ever()).timeout(PATIENCE).into_future();
                match tokio::time::timeout(Duration::from_millis(100), sending).await {
                    Ok(came) => came.map(|_| false),
                    Err(_) => Ok(true),
                }
            }
        }
    }

    async fn read(&self, pause: Duration, most: u64) -> Result<bool, CallError> {
        let mut numbers = Provider::COUNT.stream(&self.context, Upto { to: NUMBERS }).timeout(PATIENCE).await?;
        for expected in 1..=most {
            tokio::time::sleep(pause).await;
            let number = numbers.next().await.transpose()?;
            if number.is_none_or(|number| number.value != expected) {
                return Ok(false);
            }
        }
        Ok(most < NUMBERS || numbers.next().await.is_none())
    }
}

/// What a call came to, in one word: few of them, whatever is called.
fn kind(error: &CallError) -> String {
    match error {
        CallError::Refused(error) => error.code().to_owned(),
        CallError::NoProvider { .. } => "no provider".to_owned(),
        CallError::NotOnMesh { .. } => "not on the mesh".to_owned(),
        CallError::NotReached { .. } => "not reached".to_owned(),
        CallError::Timeout { .. } => "timed out".to_owned(),
        CallError::Unreachable { .. } => "unreachable".to_owned(),
        CallError::Broken(_) => "broken".to_owned(),
        CallError::Request(_) => "a wrong request".to_owned(),
        CallError::Reply(_) => WRONG.to_owned(),
        _ => "something else".to_owned(),
    }
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Numbers from one on; after the last of those that never end, nothing comes.
struct Counting {
    at: u64,
    to: u64,
    ends: bool,
}

impl Counting {
    fn to(to: u64) -> Self {
        Self { at: 0, to, ends: true }
    }

    fn for_ever() -> Self {
        Self { at: 0, to: NUMBERS, ends: false }
    }
}

impl Stream for Counting {
    type Item = Number;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Option<Number>> {
        if self.at == self.to {
            // Nobody wakes it: it waits until it is dropped.
            return if self.ends { Poll::Ready(None) } else { Poll::Pending };
        }
        self.at += 1;
        Poll::Ready(Some(Number { value: self.at }))
    }
}

/// Chance that can be had again (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end).unwrap_or(0)
    }
}
