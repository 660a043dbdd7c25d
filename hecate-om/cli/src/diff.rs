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
#[command(after_help = "Exit codes:\n  0  nothing that breaks callers\n  1  something that does\n\n\
                  Example:\n  hecate-om diff contract.lock.json target/release/hecate-weather")]
pub(crate) struct Arguments {
    /// The contract as it was: a `contract.lock.json`, what `<service> contract` printed, or a service's program.
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
