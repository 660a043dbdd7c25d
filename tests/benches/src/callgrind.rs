//! How many instructions a server takes for a number of calls, as valgrind counts them.
//!
//! What a run costs is start and stop, calls, and what goes on by the clock whatever is called: hecate-om
//! looks after its workers twenty times a second. Two runs with different numbers of calls differ by the
//! calls alone only if they last equally long, so the shorter one stays idle until it is as old as the
//! longer one was. Between two calls the client waits until every thread of the server sleeps: otherwise
//! it is a matter of luck whether the next request finds the server awake, and that changes what a call
//! costs by some 5 %. And all threads take memory from one arena: otherwise it is luck which of them has
//! room to let a buffer grow where it is, and that changes a call with 64 KiB by 3 %.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::client::{Connection, Echo};
use crate::process::{Launch, Server};

/// What makes malloc do the same in each run.
const ONE_ARENA: &[(&str, &str)] = &[("MALLOC_ARENA_MAX", "1")];

/// Fails with what to do where there is no valgrind.
pub(crate) fn look_for_valgrind() -> Outcome<()> {
    let found = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    match found {
        Ok(status) if status.success() => Ok(()),
        _ => Err("valgrind is not here, and it counts the instructions; help: apt-get install valgrind".into()),
    }
}

/// What a run came to.
pub(crate) struct Run {
    pub(crate) instructions: u64,
    /// From the first call to the end of the last, or of the rest that followed.
    pub(crate) lasted: Duration,
}

/// Runs a server from its start to its end, with so many calls on one connection, for so long at least.
pub(crate) fn run(server: Server, echo: &Echo, calls: u32, at_least: Duration) -> Outcome<Run> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("callgrind.out");
    let mut option = std::ffi::OsString::from("--callgrind-out-file=");
    option.push(&file);
    let under = vec!["valgrind".into(), "--quiet".into(), "--tool=callgrind".into(), option];
    let process = Launch { under, variables: ONE_ARENA, ..Launch::of(server) }.ready()?;
    let mut connection = Connection::open(process.socket())?;
    process.wait_until_idle()?;
    let begun = Instant::now();
    for _ in 0..calls {
        connection.call(echo)?;
        process.wait_until_idle()?;
    }
    std::thread::sleep(at_least.saturating_sub(begun.elapsed()));
    let lasted = begun.elapsed();
    drop(connection);
    process.stop()?;
    let told = fs::read_to_string(&file).map_err(|error| format!("callgrind left no {}: {error}", file.display()))?;
    Ok(Run { instructions: total(&told)?, lasted })
}

/// The total of what callgrind tells.
fn total(told: &str) -> Outcome<u64> {
    let line = told.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    let number = line.and_then(|line| line.split(' ').next()?.parse().ok());
    number.ok_or_else(|| "callgrind's file has no total".into())
}

/// The instructions of one call: the middle of several measurements, and how far apart they were.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PerCall {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl PerCall {
    fn of(mut measured: Vec<f64>) -> Outcome<Self> {
        measured.sort_by(f64::total_cmp);
        match (measured.first(), measured.get(measured.len() / 2), measured.last()) {
            (Some(&least), Some(&median), Some(&most)) => Ok(Self { median, least, most }),
            _ => Err("nothing was measured".into()),
        }
    }

    /// The distance between the extremes, of the whole.
    pub(crate) fn spread(self) -> f64 {
        (self.most - self.least) / self.median
    }
}

/// Measures one call by pairs of runs with `few` and `many` calls.
pub(crate) fn per_call(server: Server, echo: &Echo, few: u32, many: u32, pairs: u32) -> Outcome<PerCall> {
    let mut measured = Vec::new();
    for _ in 0..pairs {
        let long = run(server, echo, many, Duration::ZERO)?;
        let short = run(server, echo, few, long.lasted)?;
        // Far below 2^52.
        measured.push((long.instructions as f64 - short.instructions as f64) / f64::from(many - few));
    }
    PerCall::of(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found() {
        assert_eq!(total("version: 1\nevents: Ir\nfn=(1)\n1 2\n\ntotals: 8020110\n").unwrap(), 8_020_110);
        assert_eq!(total("summary: 12 3\n").unwrap(), 12);
        assert!(total("events: Ir\n").is_err());
    }

    #[test]
    fn the_middle_counts_and_the_spread_is_told() {
        let told = PerCall::of(vec![103.0, 100.0, 98.0]).unwrap();
        assert_eq!((told.median, told.least, told.most), (100.0, 98.0, 103.0));
        assert!((told.spread() - 0.05).abs() < 1e-9);
        assert!(PerCall::of(Vec::new()).is_err());
    }
}
