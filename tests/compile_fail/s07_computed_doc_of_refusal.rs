use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

#[derive(Refusal)]
enum GreetRefusal {
    #[doc = concat!("Nobody", " to greet.")]
    NoName,
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets nobody in particular.
    #[capability(version = 1)]
    async fn greet(&self) -> Result<(), GreetRefusal> {
        Err(GreetRefusal::NoName)
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
