//! The lab as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    hecate_om::run::<hecate_om_tests::Lab>()
}
