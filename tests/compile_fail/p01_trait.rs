use hecate_om::prelude::*;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
trait Greeter {
    fn greet(&self, name: &str) -> String;
}

struct Polite;

impl Greeter for Polite {
    fn greet(&self, name: &str) -> String {
        format!("Good day, {name}")
    }
}

fn main() -> ExitCode {
    println!("{}", Polite.greet("Ada"));
    ExitCode::SUCCESS
}
