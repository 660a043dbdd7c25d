//! What is overloaded and soaked, as processes: who is called, who calls, and who only keeps a station. `LOAD` tells
//! which one runs.

mod caller;
mod provider;

use std::process::ExitCode;

use hecate_om::prelude::*;

/// Is there.
#[derive(Default)]
struct Keeper;

/// Is there, and with it the station of its box.
#[hecate_service(name = "hecate-keeper")]
impl Keeper {}

fn main() -> ExitCode {
    match std::env::var("LOAD").as_deref() {
        Ok("caller") => hecate_om::run::<caller::Caller>(),
        Ok("keeper") => hecate_om::run::<Keeper>(),
        _ => hecate_om::run::<provider::Provider>(),
    }
}
