//! Says back what it is told.

use std::process::ExitCode;

fn main() -> ExitCode {
    hecate_om::run::<hecate_echo::Echo>()
}
