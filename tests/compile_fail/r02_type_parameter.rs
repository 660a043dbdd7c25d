use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

#[derive(Refusal)]
enum GreetRefusal<L> {
    /// The name is too long.
    TooLong { limit: L },
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets nobody in particular.
    #[capability(version = 1)]
    async fn greet(&self) -> Result<(), GreetRefusal<u32>> {
        Err(GreetRefusal::TooLong { limit: 80 })
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
