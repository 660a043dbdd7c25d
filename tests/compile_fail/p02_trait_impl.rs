use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

use std::fmt;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl fmt::Display for Greeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a greeter")
    }
}

fn main() -> ExitCode {
    println!("{} is {Greeter}", Greeter::info().name);
    hecate_om::run::<Greeter>()
}
