use hecate_om::prelude::*;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
#[derive(Default)]
enum Greeter {
    #[default]
    Polite,
    Rude,
}

fn main() -> ExitCode {
    let _ = Greeter::Rude;
    hecate_om::run::<Greeter>()
}
