//! The gate: instructions per call, which neighbours and the weather do not change.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::callgrind::{self, PerCall};
use crate::client::Echo;
use crate::process::Server;
use crate::report::Table;

/// What the others are compared with: the same handler by hand, on as many workers as hecate-om has or on a
/// runtime of one thread, whichever costs less.
const BASELINES: [Server; 2] = [Server::ByHand, Server::ByHandOneThread];

/// A call against the same by hand (the promise: within 5 % of a hand-written hyper handler).
const SMALL: f64 = 1.05;
/// The same with 64 KiB (the promise: no more, and 0.70 with `fast-json`).
const LARGE: f64 = if cfg!(feature = "fast-json") { 0.70 } else { 1.00 };
/// A call among 1,000 capabilities against one alone (the promise).
const SCALE: f64 = 1.01;

/// How much is said, how many calls the two runs of a pair make, and how many pairs there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Payload {
    label: &'static str,
    bytes: usize,
    few: u32,
    many: u32,
    pairs: u32,
}

const B64: Payload = Payload { label: "64 B", bytes: 64, few: 200, many: 1200, pairs: 5 };
const KIB1: Payload = Payload { label: "1 KiB", bytes: 1024, few: 200, many: 1200, pairs: 3 };
const KIB64: Payload = Payload { label: "64 KiB", bytes: 64 * 1024, few: 30, many: 180, pairs: 3 };

/// What is measured, the longest first: two at a time, the last ones end together.
const CELLS: [(Server, Payload); 13] = [
    (Server::Hecate, B64),
    (Server::Thousand, B64),
    (Server::ByHand, B64),
    (Server::Axum, B64),
    (Server::ByHandOneThread, B64),
    (Server::Hecate, KIB1),
    (Server::ByHand, KIB1),
    (Server::Axum, KIB1),
    (Server::ByHandOneThread, KIB1),
    (Server::Hecate, KIB64),
    (Server::ByHand, KIB64),
    (Server::Axum, KIB64),
    (Server::ByHandOneThread, KIB64),
];

/// What has a limit, without what is only told.
fn has_limit(&(server, payload): &(Server, Payload)) -> bool {
    match server {
        Server::Thousand => payload == B64,
        server => (server == Server::Hecate || BASELINES.contains(&server)) && payload != KIB1,
    }
}

/// Everything that was measured.
struct Measured(Vec<(Server, Payload, PerCall)>);

impl Measured {
    fn get(&self, server: Server, payload: Payload) -> Outcome<PerCall> {
        let found = self.0.iter().find(|(of, with, _)| (*of, *with) == (server, payload));
        Ok(found.ok_or_else(|| format!("{} was not measured with {}", server.label(), payload.label))?.2)
    }

    fn ratio(&self, payload: Payload, server: Server, to: Server) -> Outcome<f64> {
        Ok(self.get(server, payload)?.median / self.get(to, payload)?.median)
    }

    fn of_by_hand(&self, payload: Payload, server: Server) -> Outcome<f64> {
        let [one, other] = BASELINES.map(|by_hand| self.ratio(payload, server, by_hand));
        Ok(one?.max(other?))
    }
}

/// Measures, prints, and says whether all limits are kept.
pub(crate) fn run() -> Outcome<bool> {
    callgrind::look_for_valgrind()?;
    let begun = Instant::now();
    let measured = measure(CELLS.to_vec())?;
    println!("{}", table(&measured)?);
    println!("{}", start()?);
    let passed = judge(&measured)?;
    eprintln!("measured in {} s", begun.elapsed().as_secs());
    Ok(passed)
}

/// The same for what has a limit, and nothing else.
pub(crate) fn limits() -> Outcome<bool> {
    callgrind::look_for_valgrind()?;
    let begun = Instant::now();
    let cells: Vec<_> = CELLS.into_iter().filter(has_limit).collect();
    let left_out = CELLS.len() - cells.len();
    let measured = measure(cells)?;
    println!("{}", table(&measured)?);
    println!("not measured: the start, and {left_out} cells of the table that have no limit (`-`)");
    let passed = judge(&measured)?;
    eprintln!("measured in {} s", begun.elapsed().as_secs());
    Ok(passed)
}

/// Two at a time: what is counted does not depend on who else runs.
fn measure(cells: Vec<(Server, Payload)>) -> Outcome<Measured> {
    let (next, done) = (Mutex::new(cells.iter()), Mutex::new(Vec::new()));
    let work = || -> Outcome<()> {
        loop {
            let cell = next.lock().map_err(|_| "another measurement failed")?.next();
            let Some(&(server, payload)) = cell else { return Ok(()) };
            let told = callgrind::per_call(server, &Echo::of(payload.bytes), payload.few, payload.many, payload.pairs)
                .map_err(|error| format!("{} with {}: {error}", server.label(), payload.label))?;
            done.lock().map_err(|_| "another measurement failed")?.push((server, payload, told));
        }
    };
    std::thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a measurement panicked")?)
    })?;
    Ok(Measured(done.into_inner().map_err(|_| "a measurement panicked")?))
}

fn table(measured: &Measured) -> Outcome<String> {
    let head = ["instructions per call", "echo 64 B", "of by hand", "1 KiB", "of by hand", "64 KiB", "of by hand"];
    let mut table = Table::new(&head);
    for server in [Server::Hecate, Server::Thousand, Server::ByHand, Server::ByHandOneThread, Server::Axum] {
        let mut row = vec![server.label().to_owned()];
        for payload in [B64, KIB1, KIB64] {
            match measured.get(server, payload) {
                Ok(told) => {
                    row.push(format!("{:.0} (±{:.1} %)", told.median, told.spread() * 50.0));
                    row.push(format!("{:.3}", measured.of_by_hand(payload, server)?));
                }
                Err(_) => row.extend(["-".to_owned(), "-".to_owned()]),
            }
        }
        table.row(row);
    }
    Ok(table.to_string())
}

/// What start and stop cost, told and not judged.
fn start() -> Outcome<String> {
    let echo = Echo::of(1);
    let of = |server| -> Outcome<u64> {
        let runs = (0..3).map(|_| callgrind::run(server, &echo, 0, Duration::ZERO).map(|run| run.instructions));
        runs.collect::<Outcome<Vec<_>>>()?.into_iter().min().ok_or_else(|| "nothing was measured".into())
    };
    let (hecate, thousand) = (of(Server::Hecate)?, of(Server::Thousand)?);
    let added = thousand.saturating_sub(hecate) / 1000;
    Ok(format!(
        "Start and stop without a call: {} thousand instructions, {} thousand with 1,000 capabilities ({added} thousand added).\n",
        hecate / 1000,
        thousand / 1000
    ))
}

/// Whether a ratio keeps its limit, with the sentence for the terminal.
fn judged(what: &str, ratio: f64, limit: f64) -> (bool, String) {
    let kept = ratio <= limit;
    let word = if kept { "kept" } else { "BROKEN" };
    (kept, format!("limit {word}: {what} is {ratio:.3}, at most {limit:.2} is allowed"))
}

fn judge(measured: &Measured) -> Outcome<bool> {
    let small = measured.of_by_hand(B64, Server::Hecate)?;
    let large = measured.of_by_hand(KIB64, Server::Hecate)?;
    let scale = measured.ratio(B64, Server::Thousand, Server::Hecate)?;
    let told = [
        judged("an echo of 64 B on hecate-om against by hand", small, SMALL),
        judged("an echo of 64 KiB on hecate-om against by hand", large, LARGE),
        judged("an echo of 64 B among 1,000 capabilities against one alone", scale, SCALE),
    ];
    told.iter().for_each(|(_, sentence)| println!("{sentence}"));
    Ok(told.iter().all(|(kept, _)| *kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(hecate: f64, thousand: f64, large: f64) -> Measured {
        let cell = |server, payload, median| (server, payload, PerCall { median, least: median, most: median });
        Measured(vec![
            cell(Server::Hecate, B64, hecate),
            cell(Server::Thousand, B64, thousand),
            cell(Server::ByHand, B64, 110.0),
            cell(Server::ByHandOneThread, B64, 100.0),
            cell(Server::Hecate, KIB64, large),
            cell(Server::ByHand, KIB64, 100.0),
            cell(Server::ByHandOneThread, KIB64, 110.0),
        ])
    }

    #[test]
    fn each_limit_alone_fails_the_gate() {
        assert!(judge(&measured(SMALL * 100.0, SMALL * 100.0, LARGE * 100.0)).unwrap());
        assert!(!judge(&measured(SMALL * 100.0 + 0.1, SMALL * 100.0, LARGE * 100.0)).unwrap());
        assert!(!judge(&measured(100.0, 101.1, 70.0)).unwrap());
        assert!(!judge(&measured(100.0, 100.0, 100.1)).unwrap());
        assert!(judge(&Measured(Vec::new())).is_err(), "what was not measured is not kept");
    }
}
