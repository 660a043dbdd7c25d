//! Streams between two services over a real station.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_core::Stream;
use hecate_om::Replies;
use hecate_om::prelude::*;
use hecate_om::testing::{Mesh, Setup, TestService};

/// How long anything may take that is to happen at all, on a box that is busy.
const BOUND: Duration = Duration::from_secs(60);

/// How many numbers were made and not read, in bytes, and the most that there ever were.
static AHEAD: AtomicI64 = AtomicI64::new(0);
static MOST_AHEAD: AtomicI64 = AtomicI64::new(0);
/// Whether the endless producer runs.
static RUNS: AtomicBool = AtomicBool::new(false);
/// What the listener that was left came to.
static LEFT: AtomicBool = AtomicBool::new(false);

#[derive(Default)]
pub struct Counter;

#[message]
pub struct Count {
    to: i64,
}

#[message]
#[derive(Debug, PartialEq)]
pub struct Number {
    value: i64,
}

#[message]
pub struct Load {
    items: i64,
    bytes: usize,
}

#[message]
pub struct Chunk {
    content: String,
}

#[derive(Refusal, Debug)]
pub enum CountRefusal {
    /// There is no way to count to that.
    TooFar,
    /// Counting has become too much.
    Tired,
}

struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        RUNS.store(false, SeqCst);
    }
}

/// Counts.
#[hecate_service(name = "hecate-counter")]
impl Counter {
    /// Counts, and gets tired at seven of eight.
    #[capability(version = 1)]
    pub async fn count(&self, request: Count) -> Result<ReplyStream<Number>, CountRefusal> {
        if request.to < 0 {
            return Err(CountRefusal::TooFar);
        }
        Ok(ReplyStream::produce(async move |sink| {
            for value in 1..=request.to {
                if request.to == 8 && value == 7 {
                    return Err(CountRefusal::Tired);
                }
                sink.send(Number { value }).await;
            }
            Ok(())
        }))
    }

    /// Counts without end.
    #[capability(version = 1)]
    pub async fn count_on(&self, _request: Count) -> Result<ReplyStream<Number>> {
        RUNS.store(true, SeqCst);
        let running = Running;
        Ok(ReplyStream::produce(async move |sink| {
            let _running = running;
            for value in 1.. {
                sink.send(Number { value }).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok::<_, CapabilityError>(())
        }))
    }

    /// Makes much.
    #[capability(version = 1, access = open)]
    pub async fn load(&self, request: Load) -> Result<ReplyStream<Chunk>> {
        Ok(ReplyStream::iter((0..request.items).map(move |_| {
            let ahead = AHEAD.fetch_add(i64::try_from(request.bytes).unwrap(), SeqCst);
            MOST_AHEAD.fetch_max(ahead, SeqCst);
            Chunk { content: "x".repeat(request.bytes) }
        })))
    }

    /// Adds up.
    #[capability(version = 1)]
    pub async fn sum(&self, mut numbers: RequestStream<Number>) -> Result<Number, CountRefusal> {
        let mut total = 0;
        while let Some(number) = numbers.next().await {
            match number {
                Ok(Number { value }) if value < 0 => return Err(CountRefusal::TooFar),
                Ok(Number { value }) => total += value,
                Err(_) => {
                    LEFT.store(true, SeqCst);
                    break;
                }
            }
        }
        Ok(Number { value: total })
    }

    /// Doubles each.
    #[capability(version = 1)]
    pub async fn double(&self, mut numbers: RequestStream<Number>) -> Result<ReplyStream<Number>> {
        Ok(ReplyStream::produce(async move |sink| {
            while let Some(number) = numbers.next().await {
                sink.send(Number { value: 2 * number?.value }).await;
            }
            Ok::<_, CapabilityError>(())
        }))
    }

    /// Counts where nobody else sees it.
    #[capability(version = 1, confidential = required)]
    pub async fn count_closed(&self, request: Count) -> Result<ReplyStream<Number>> {
        Ok(ReplyStream::iter((1..=request.to).map(|value| Number { value })))
    }

    /// Says the same where nobody else sees it.
    #[capability(version = 1, confidential = required)]
    pub async fn same_closed(&self, request: Number) -> Result<Number> {
        Ok(request)
    }
}

#[derive(Default)]
pub struct Reader;

#[message]
pub struct Ask {
    what: String,
    to: i64,
}

#[message]
#[derive(Debug)]
pub struct Told {
    numbers: Vec<i64>,
    end: String,
}

async fn all(mut replies: Replies<Number>) -> Told {
    let mut numbers = Vec::new();
    loop {
        match replies.next().await {
            Some(Ok(number)) => numbers.push(number.value),
            Some(Err(error)) => {
                let end = error.code().map_or_else(|| format!("{error:?}"), str::to_owned);
                return Told { numbers, end };
            }
            None => return Told { numbers, end: "end".to_owned() },
        }
    }
}

/// Reads what others count.
#[hecate_service(name = "hecate-reader", uses(Counter))]
impl Reader {
    /// Has something done.
    #[capability(version = 1, timeout = "300s")]
    pub async fn ask(&self, request: Ask, call: &Call<Self>) -> Result<Told, CallError> {
        let to = request.to;
        let numbers = move || numbers(1..=to);
        match &*request.what {
            "count" => Ok(all(Counter::COUNT.stream(call, Count { to }).await?).await),
            "closed" => Ok(all(Counter::COUNT_CLOSED.stream(call, Count { to }).await?).await),
            "same" => {
                let said = Counter::SAME_CLOSED.call(call, Number { value: to }).await?;
                Ok(Told { numbers: vec![said.value], end: "end".to_owned() })
            }
            "sum" => {
                let sum = Counter::SUM.send_all(call, numbers()).await?;
                Ok(Told { numbers: vec![sum.value], end: "end".to_owned() })
            }
            "double" => Ok(all(Counter::DOUBLE.exchange(call, numbers()).await?).await),
            "peek" => {
                let mut replies = Counter::COUNT_ON.stream(call, Count { to: 0 }).await?;
                let first = replies.next().await.unwrap()?;
                assert!(RUNS.load(SeqCst));
                Ok(Told { numbers: vec![first.value], end: "left".to_owned() })
            }
            "watch" => Ok(all(Counter::COUNT_ON.stream(call, Count { to: 0 }).await?).await),
            "leave" => {
                let slow = numbers_slowly();
                let summing = Counter::SUM.send_all(call, slow).into_future();
                let _ = tokio::time::timeout(Duration::from_secs(2), summing).await;
                Ok(Told { numbers: Vec::new(), end: "left".to_owned() })
            }
            _ => {
                let load = Load { items: to, bytes: 64 * 1024 };
                let mut chunks = Counter::LOAD.stream(call, load).await?;
                let mut read = 0;
                while let Some(chunk) = chunks.next().await {
                    let size = i64::try_from(chunk?.content.len()).unwrap();
                    AHEAD.fetch_sub(size, SeqCst);
                    read += size;
                    if read % (to * 65_536 / 8) == 0 {
                        tokio::time::sleep(Duration::from_millis(300)).await;
                    }
                }
                Ok(Told { numbers: vec![read], end: "end".to_owned() })
            }
        }
    }
}

struct Numbers<T>(T);

impl<T: Iterator<Item = i64> + Unpin> Stream for Numbers<T> {
    type Item = Number;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Number>> {
        std::task::Poll::Ready(self.0.next().map(|value| Number { value }))
    }
}

fn numbers(values: std::ops::RangeInclusive<i64>) -> impl Stream<Item = Number> + Send + 'static {
    Numbers(values)
}

/// One, and then none for ever.
fn numbers_slowly() -> impl Stream<Item = Number> + Send + 'static {
    struct Slowly(bool);
    impl Stream for Slowly {
        type Item = Number;

        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Number>> {
            if std::mem::replace(&mut self.0, true) {
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(Some(Number { value: 1 }))
        }
    }
    Slowly(false)
}

/// What is counted is counted of all: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

fn block_on(test: impl Future<Output = ()>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    hecate_om::testing::block_on(test);
}

struct Pair {
    reader: TestService<Reader>,
    counter: TestService<Counter>,
    mesh: Mesh,
}

async fn pair() -> Pair {
    let mesh = Mesh::start().await.unwrap();
    let counter = Setup::<Counter>::new().on(&mesh).start().await.unwrap();
    let reader = Setup::<Reader>::new().on(&mesh).start().await.unwrap();
    Pair { reader, counter, mesh }
}

impl Pair {
    async fn ask(&self, what: &str, to: i64) -> Result<Told, CallError> {
        self.reader.call(Reader::ASK, Ask { what: what.to_owned(), to }).await
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < BOUND);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn streams_of_every_kind_cross_the_mesh() {
    block_on(async {
        let pair = pair().await;
        let told = pair.ask("count", 5).await.unwrap();
        assert_eq!((told.numbers, &*told.end), (vec![1, 2, 3, 4, 5], "end"));
        assert_eq!(pair.ask("count", 0).await.unwrap().end, "end");
        // More than a window.
        let told = pair.ask("count", 1000).await.unwrap();
        assert_eq!((told.numbers.len(), &*told.end), (1000, "end"));
        assert_eq!(pair.ask("sum", 100).await.unwrap().numbers, [5050]);
        assert_eq!(pair.ask("sum", 1000).await.unwrap().numbers, [500_500]);
        assert_eq!(pair.ask("sum", 0).await.unwrap().numbers, [0]);
        let doubled = pair.ask("double", 1000).await.unwrap();
        assert_eq!((doubled.numbers.len(), doubled.numbers.last(), &*doubled.end), (1000, Some(&2000), "end"));
        // Sealed, and gated with a token as all of these are.
        assert_eq!(pair.ask("closed", 3).await.unwrap().numbers, [1, 2, 3]);
        assert_eq!(pair.ask("same", 3).await.unwrap().numbers, [3]);
    });
}

#[test]
fn a_refusal_comes_before_the_first_item_and_an_error_in_mid_stream_after_what_was_sent() {
    block_on(async {
        let pair = pair().await;
        let refused = pair.ask("count", -1).await.unwrap_err();
        assert_eq!(refused.code(), Some("too_far"), "{refused}");
        let tired = pair.ask("count", 8).await.unwrap();
        assert_eq!((tired.numbers, &*tired.end), ((1..=6).collect(), "tired"));
    });
}

#[test]
fn a_reader_that_rests_holds_the_producer_and_is_not_ended_for_it() {
    block_on(async {
        let pair = pair().await;
        // Half as much again as the SDK would let wait.
        let items = 384;
        let told = pair.ask("load", items).await.unwrap();
        assert_eq!(told.numbers, [items * 65_536]);
        let most = MOST_AHEAD.load(SeqCst);
        // A window, half of one that was taken and not told, and what is in the hands of either side.
        assert!(most <= 6 * 65_536 + 131_072, "{most} bytes ahead");
    });
}

#[test]
fn a_caller_that_leaves_stops_the_producer_and_tells_the_listener() {
    block_on(async {
        let pair = pair().await;
        assert_eq!(pair.ask("peek", 0).await.unwrap().end, "left");
        until(|| !RUNS.load(SeqCst)).await;
        assert_eq!(pair.ask("leave", 0).await.unwrap().end, "left");
        until(|| LEFT.load(SeqCst)).await;
    });
}

#[test]
fn a_provider_that_ends_in_mid_stream_is_told_as_the_last_item() {
    block_on(async {
        let Pair { reader, counter, mesh } = pair().await;
        let watching = async {
            let ask = Ask { what: "watch".to_owned(), to: 0 };
            reader.call(Reader::ASK, ask).await.unwrap()
        };
        let ending = async {
            until(|| RUNS.load(SeqCst)).await;
            tokio::task::spawn_blocking(move || drop(counter)).await.unwrap();
        };
        let (told, ()) = tokio::join!(watching, ending);
        assert!(!told.numbers.is_empty());
        assert!(told.end == "draining" || told.end.contains("Broken"), "{}", told.end);
        drop(mesh);
    });
}
