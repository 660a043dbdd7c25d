//! What differs between two contracts.

use std::path::PathBuf;

use clap::Args;
use hecate_om::contract_lock::changes;
use serde_json::json;

use crate::contract;
use crate::failure::Failure;
use crate::output::Output;

/// Something breaks callers.
const BREAKS: u8 = 1;

#[derive(Debug, Args)]
#[command(after_help = "\
Each of the two is a contract.lock.json, what `<service> contract` printed, or the program of a service, which is \
asked for it.

Example:
  hecate-om diff contract.lock.json target/release/hecate-weather

Exit codes:
   0  nothing of it breaks callers
   1  something does
  64  the command line is wrong
  65  one of them is no contract
  66  one of them is not there
  70  a program does not tell its contract
  74  something cannot be read or printed")]
pub(crate) struct Arguments {
    /// The contract as it was.
    #[arg(value_name = "A")]
    old: PathBuf,
    /// The contract as it is.
    #[arg(value_name = "B")]
    new: PathBuf,
}

pub(crate) fn diff(arguments: &Arguments, output: &mut Output) -> Result<u8, Failure> {
    let (old, new) = (contract::read(&arguments.old)?, contract::read(&arguments.new)?);
    let found = changes(&old, &new);
    let breaking = found.iter().filter(|change| change.breaking).count();
    let verdict = match (found.len(), breaking) {
        (0, _) => "the same contract\n".to_owned(),
        (_, 0) => "nothing of it breaks callers\n".to_owned(),
        (all, breaking) => format!("{breaking} of {all} changes break callers\n"),
    };
    output.result(&(contract::told(&found) + &verdict), &json!({"breaking": breaking, "changes": found}))?;
    Ok(if breaking == 0 { 0 } else { BREAKS })
}
