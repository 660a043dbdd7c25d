//! The service on hecate-om.

mod echo;

use std::process::ExitCode;

fn main() -> ExitCode {
    hecate_om::run::<echo::Echo>()
}
