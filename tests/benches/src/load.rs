//! Wall-clock and CPU per request, in rounds that visit every server, so that all meet the same weather.
//!
//! The client runs on one thread and shares the cores with the servers: read ratios, not requests.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

use crate::Outcome;
use crate::client::Echo;
use crate::process::{Launch, Process, Server, workers};
use crate::report::{Table, median};

const CONNECTIONS: [usize; 2] = [1, 32];
const PAYLOADS: [(&str, usize); 3] = [("64 B", 64), ("1 KiB", 1024), ("64 KiB", 64 * 1024)];
const SERVERS: [Server; 4] = [Server::Hecate, Server::Thousand, Server::ByHand, Server::Axum];
/// The places in [`SERVERS`] of those that the others are compared with.
const BY_HAND: usize = 2;
const AXUM: usize = 3;

const ROUNDS: usize = 5;
const WINDOW: Duration = Duration::from_millis(500);

/// What one server did in one round.
struct Window {
    requests_per_second: f64,
    /// Nanoseconds, sorted.
    latencies: Vec<u64>,
    /// Microseconds of CPU per request.
    cpu: f64,
}

/// Measures, and says it in Markdown.
pub(crate) fn run() -> Outcome<String> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let running = SERVERS.iter().map(|&server| Launch::of(server).ready()).collect::<Outcome<Vec<_>>>()?;
    let idle = running.iter().map(Process::memory).collect::<Outcome<Vec<_>>>()?;
    let cpu =
        || running.iter().map(Process::cpu).sum::<Outcome<Duration>>().and_then(|servers| Ok(servers + own_cpu()?));
    let (busy_before, own_before) = (busy()?, cpu()?);
    let begun = Instant::now();
    let mut table = Table::new(&[
        "connections, payload, server",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "CPU µs/request",
        "requests/s of by hand",
        "CPU of by hand",
        "CPU of axum",
    ]);
    for connections in CONNECTIONS {
        for (label, bytes) in PAYLOADS {
            let echo = Echo::of(bytes);
            let mut rounds: Vec<Vec<Window>> = Vec::new();
            for _ in 0..ROUNDS {
                let visit = |process| window(&runtime, process, &echo, connections);
                rounds.push(running.iter().map(visit).collect::<Outcome<_>>()?);
            }
            for (index, server) in SERVERS.iter().enumerate() {
                let of = |what: &dyn Fn(&[Window]) -> f64| median(rounds.iter().map(|round| what(round)).collect());
                let percentile = |share: usize| {
                    of(&|round| {
                        let told = &round[index].latencies;
                        told.get(told.len() * share / 100).map_or(f64::NAN, |&nanoseconds| nanoseconds as f64 / 1000.0)
                    })
                };
                table.row(vec![
                    format!("{connections}, {label}, {}", server.label()),
                    format!("{:.0}", of(&|round| round[index].requests_per_second)),
                    format!("{:.0}", percentile(50)),
                    format!("{:.0}", percentile(99)),
                    format!("{:.1}", of(&|round| round[index].cpu)),
                    format!(
                        "{:.2}",
                        of(&|round| round[index].requests_per_second / round[BY_HAND].requests_per_second)
                    ),
                    format!("{:.2}", of(&|round| round[index].cpu / round[BY_HAND].cpu)),
                    format!("{:.2}", of(&|round| round[index].cpu / round[AXUM].cpu)),
                ]);
            }
        }
    }
    let others =
        (busy()? - busy_before).saturating_sub(cpu()? - own_before).as_secs_f64() / begun.elapsed().as_secs_f64();
    let mut memory = Table::new(&["memory (RSS)", "idle MiB", "after the load MiB"]);
    for ((process, server), idle) in running.iter().zip(SERVERS).zip(idle) {
        let mebibytes = |kibibytes: u64| format!("{:.1}", kibibytes as f64 / 1024.0);
        memory.row(vec![server.label().to_owned(), mebibytes(idle), mebibytes(process.memory()?)]);
    }
    running.into_iter().try_for_each(Process::stop)?;
    Ok(format!(
        "{table}\n{ROUNDS} rounds of {WINDOW:?} per cell, medians; ratios are medians of the ratios of each round. \
         {} workers each, the client on one thread of the same cores. Other programs took {others:.2} cores meanwhile.\n\n{memory}",
        workers()
    ))
}

fn window(runtime: &Runtime, process: &Process, echo: &Echo, connections: usize) -> Outcome<Window> {
    runtime.block_on(async {
        let mut opened = Vec::new();
        for _ in 0..connections {
            let mut connection = Connection::open(process.socket()).await?;
            connection.call(echo).await?;
            opened.push(connection);
        }
        let (before, begun) = (process.cpu()?, Instant::now());
        let end = begun + WINDOW;
        let clients = opened.into_iter().map(|mut connection| {
            let echo = echo.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                let mut now = Instant::now();
                while now < end {
                    connection.call(&echo).await?;
                    let answered = Instant::now();
                    // Half a second fits.
                    latencies.push((answered - now).as_nanos() as u64);
                    now = answered;
                }
                Outcome::Ok(latencies)
            })
        });
        let clients: Vec<_> = clients.collect();
        let mut latencies = Vec::new();
        for client in clients {
            latencies.extend(client.await??);
        }
        let (took, cpu) = (begun.elapsed(), process.cpu()? - before);
        latencies.sort_unstable();
        let requests = latencies.len() as f64;
        Ok(Window {
            requests_per_second: requests / took.as_secs_f64(),
            cpu: cpu.as_secs_f64() * 1e6 / requests,
            latencies,
        })
    })
}

struct Connection {
    stream: UnixStream,
    answer: Vec<u8>,
}

impl Connection {
    async fn open(socket: &Path) -> Outcome<Self> {
        Ok(Self { stream: UnixStream::connect(socket).await?, answer: vec![0; 128 * 1024] })
    }

    async fn call(&mut self, echo: &Echo) -> Outcome<()> {
        self.stream.write_all(&echo.request).await?;
        let mut filled = 0;
        loop {
            match self.stream.read(&mut self.answer[filled..]).await? {
                0 => return Err("the server closed the connection".into()),
                read => filled += read,
            }
            if echo.is_answered_by(&self.answer[..filled])? {
                return Ok(());
            }
        }
    }
}

/// The CPU time of the main thread of this process, on which the client runs.
fn own_cpu() -> Outcome<Duration> {
    let told = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds = told.split(' ').next().and_then(|first| first.parse().ok());
    Ok(Duration::from_nanos(nanoseconds.ok_or("/proc/self/schedstat tells nothing")?))
}

/// The time that all cores were busy, for whomever.
fn busy() -> Outcome<Duration> {
    let told = std::fs::read_to_string("/proc/stat")?;
    let line = told.lines().next().and_then(|line| line.strip_prefix("cpu ")).ok_or("/proc/stat tells no CPU times")?;
    let ticks: Vec<u64> = line.split_whitespace().filter_map(|ticks| ticks.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq; a tick is 10 ms on every Linux that Rust runs on.
    let busy = ticks.iter().take(7).enumerate().filter(|(index, _)| !matches!(index, 3 | 4)).map(|(_, ticks)| ticks);
    Ok(Duration::from_millis(busy.sum::<u64>() * 10))
}
