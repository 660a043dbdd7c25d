use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

#[derive(Refusal)]
enum GreetRefusal {
    /// The name is too long.
    TooLong(usize),
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets nobody in particular.
    #[capability(version = 1)]
    async fn greet(&self) -> Result<(), GreetRefusal> {
        Err(GreetRefusal::TooLong(80))
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
