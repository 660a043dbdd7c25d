use hecate_om::prelude::*;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
#[derive(Default)]
struct Greeter;

fn main() -> ExitCode {
    println!("{}", Greeter::info().name);
    hecate_om::run::<Greeter>()
}
