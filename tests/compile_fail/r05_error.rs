use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

#[derive(Refusal)]
enum GreetRefusal {
    /// The list of names could not be read.
    NoList(std::io::Error),
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets nobody in particular.
    #[capability(version = 1)]
    async fn greet(&self) -> Result<(), GreetRefusal> {
        std::fs::read_to_string("names").map(drop).map_err(GreetRefusal::NoList)
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
