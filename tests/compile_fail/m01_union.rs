use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

#[message]
#[derive(Clone, Copy)]
union Greet {
    number: u32,
    letter: char,
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<()> {
        let _ = request;
        Ok(())
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
