//! The lock of contracts: written, compared with what is compiled, and changed where that is meant.

use std::ffi::OsString;
use std::path::Path;

use clap::Args;
use hecate_om::contract_lock::{Change, ContractLock, changes};
use serde_json::json;

use crate::contract;
use crate::failure::Failure;
use crate::file;
use crate::output::Output;
use crate::project::{Project, Which};

/// The lock would have to change, and may not.
const UNLIKE: u8 = 1;

#[derive(Debug, Args)]
#[command(after_help = "\
The lock is contract.lock.json beside the Cargo.toml, to be committed: to remove or rename a capability that is in it \
does not compile, and a change of a message that callers could not bear fails the tests. Without an option, a lock \
that is missing is written, and one that is there is compared with the code, which is built for it.

Examples:
  hecate-om lock            # what does the lock not know?
  hecate-om lock --accept   # take what breaks no caller
  hecate-om lock --check -- --locked

Exit codes:
   0  the lock is what the code is, or was made so
   1  it would have to change
  64  the command line is wrong
  65  the lock, or the project, cannot be read, or no program runs a service
  66  there is no Cargo.toml
  70  it does not build, or does not tell its contract
  73  the lock cannot be written
  74  something cannot be read or printed")]
pub(crate) struct Arguments {
    /// Take what is new, and every other change that breaks no caller.
    #[arg(long)]
    accept: bool,
    /// Take every change: no caller needs the contract as it was.
    #[arg(long)]
    accept_breaking: bool,
    /// Write nothing, not even where there is no lock; for CI.
    #[arg(long, conflicts_with_all = ["accept", "accept_breaking"])]
    check: bool,
    #[command(flatten)]
    which: Which,
    /// What `cargo build` is given besides, as in `-- --features tea`.
    #[arg(last = true, value_name = "FOR CARGO")]
    cargo: Vec<OsString>,
}

/// How a lock and the code are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Missing,
    Current,
    Compatible,
    Breaking,
}

pub(crate) fn lock(arguments: &Arguments, output: &mut Output) -> Result<u8, Failure> {
    let project = Project::find(&arguments.which)?;
    let path = project.contract_lock();
    let old = contract::lock_at(&path)?;
    let new = contract::of_project(&project, &arguments.cargo)?;
    let found = old.as_ref().map(|old| changes(old, &new)).unwrap_or_default();
    let state = State::of(old.as_ref(), &found);
    let is_written = arguments.writes(state) && old.as_ref().is_none_or(|old| old.to_json() != new.to_json());
    if is_written {
        file::replace(&path, &new.to_json())?;
    }
    let is_held = is_written || state == State::Current;
    let text = contract::told(&found) + &state.verdict(&path, is_written, &new);
    let value = json!({
        "lock": path, "state": state.id(), "written": is_written,
        "breaking": found.iter().filter(|change| change.breaking).count(), "changes": found,
    });
    output.result(&text, &value)?;
    Ok(if is_held { 0 } else { UNLIKE })
}

impl Arguments {
    fn writes(&self, state: State) -> bool {
        match state {
            State::Missing => !self.check,
            State::Current | State::Compatible => self.accept || self.accept_breaking,
            State::Breaking => self.accept_breaking,
        }
    }
}

impl State {
    fn of(old: Option<&ContractLock>, changes: &[Change]) -> Self {
        match old {
            None => State::Missing,
            Some(_) if changes.is_empty() => State::Current,
            Some(_) if changes.iter().any(|change| change.breaking) => State::Breaking,
            Some(_) => State::Compatible,
        }
    }

    fn id(self) -> &'static str {
        match self {
            State::Missing => "missing",
            State::Current => "current",
            State::Compatible => "compatible",
            State::Breaking => "breaking",
        }
    }

    /// How it ended, and what to do next.
    fn verdict(self, path: &Path, is_written: bool, new: &ContractLock) -> String {
        let path = path.display();
        let count: usize = new.services.values().map(|service| service.capabilities.len()).sum();
        let (services, capabilities) = (counted(new.services.len(), "service"), counted_capabilities(count));
        match (self, is_written) {
            (_, true) => format!("wrote {path}: {services}, {capabilities}; help: commit it\n"),
            (State::Current, false) => format!("{path} is what the code is: {services}, {capabilities}\n"),
            (State::Missing, false) => format!("there is no {path}; help: run `hecate-om lock`, and commit it\n"),
            (State::Compatible, false) => {
                format!("{path} does not know this yet, which breaks no caller; help: run `hecate-om lock --accept`\n")
            }
            (State::Breaking, false) => format!(
                "callers that rely on {path} would fail; help: undo it, or leave this version as it is and add the \
                 next one beside it, or run `hecate-om lock --accept-breaking` if no caller needs it as it was\n"
            ),
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn counted_capabilities(count: usize) -> String {
    if count == 1 { "1 capability".to_owned() } else { format!("{count} capabilities") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_accepted_is_written() {
        let arguments = |accept, accept_breaking, check| Arguments {
            accept,
            accept_breaking,
            check,
            which: Which::default(),
            cargo: Vec::new(),
        };
        use State::{Breaking, Compatible, Current, Missing};
        let writes =
            |arguments: Arguments| [Missing, Current, Compatible, Breaking].map(|state| arguments.writes(state));
        assert_eq!(writes(arguments(false, false, true)), [false; 4]);
        assert_eq!(writes(arguments(false, false, false)), [true, false, false, false]);
        assert_eq!(writes(arguments(true, false, false)), [true, true, true, false]);
        assert_eq!(writes(arguments(false, true, false)), [true; 4]);
    }
}
