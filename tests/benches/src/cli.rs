//! What hecate-om costs, against the same service by hand on hyper and on plain axum.
//!
//! Each number is measured by a module of its own; README.md says what it means.

mod callgrind;
mod client;
mod dispatch;
#[path = "servers/echo.rs"]
mod echo;
mod fleet;
mod instructions;
mod load;
mod mesh;
mod overload;
mod process;
#[path = "servers/provider.rs"]
mod provider;
mod rebuild;
mod report;
mod soak;
mod start;

use std::error::Error;
use std::process::ExitCode;

/// What a measurement comes to; an error is a sentence for the person at the terminal.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "usage: cargo run --release --manifest-path tests/benches/Cargo.toml -- COMMAND

  instructions   instructions per call under callgrind; fails above the limits of the project (CI runs it)
  limits         the same without what has no limit (CI runs it with fast-json)
  load           requests per second, latency, CPU and memory
  start          from the start of the process to the first healthy answer; in-process costs
  mesh           one call over the mesh, against the same with the SDK alone
  overload       ten thousand calls at once and ten times the capacity, over a socket and over the mesh; fails
                 above the limits (for a quiet machine)
  soak --minutes M [--rate R] [--seed S]
                 calls of all kinds at a rate while services and stations are killed and stopped; fails where
                 something grows or goes wrong (for a quiet machine)
  rebuild        cargo build after an edit of one of 50 handlers (runs cargo, takes minutes)
  table          the costs, as Markdown for the README";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let told = match words.as_slice() {
        ["instructions"] => process::build_servers().and_then(|()| instructions::run()),
        ["limits"] => process::build_servers().and_then(|()| instructions::limits()),
        ["load"] => process::build_servers().and_then(|()| load::run()).map(shown),
        ["start"] => process::build_servers().and_then(|()| start_and_dispatch()).map(shown),
        ["mesh"] => process::build_servers().and_then(|()| mesh::run()).map(shown),
        ["overload"] => process::build_fleet().and_then(|()| overload::run()),
        ["soak", options @ ..] => match soak::Plan::of(options) {
            Ok(plan) => process::build_fleet().and_then(|()| soak::run(&plan)),
            Err(error) => {
                eprintln!("error: {error}\n\n{USAGE}");
                return ExitCode::from(64);
            }
        },
        ["rebuild"] => rebuild::run().map(shown),
        ["table"] => process::build_servers().and_then(|()| table()),
        ["help" | "-h" | "--help"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints what was measured and is not judged.
fn shown(text: String) -> bool {
    println!("{text}");
    true
}

fn start_and_dispatch() -> Outcome<String> {
    Ok(format!("{}\n{}", start::run()?, dispatch::run()?))
}

fn table() -> Outcome<bool> {
    println!("{}", report::heading());
    let passed = instructions::run()?;
    println!("\n{}\n{}\n{}\n{}", load::run()?, start_and_dispatch()?, mesh::run()?, rebuild::run()?);
    Ok(passed)
}
