//! The service on hecate-om with 1,000 capabilities, each with its own handler.

use hecate_om::prelude::*;

#[derive(Default)]
struct Echo;

/// Something to say.
#[message]
struct Say {
    text: String,
}

/// What was said.
#[message]
struct Said {
    text: String,
}

#[derive(Refusal)]
enum EchoRefusal {
    /// There is nothing to say.
    Silence,
}

include!(concat!(env!("OUT_DIR"), "/thousand.rs"));

fn main() -> ExitCode {
    hecate_om::run::<Echo>()
}
