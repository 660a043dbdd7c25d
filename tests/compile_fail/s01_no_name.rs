use hecate_om::prelude::*;

#[derive(Default)]
struct HecateGreeter;

#[message]
struct Greet {
    name: String,
}

#[message]
struct Greeting {
    message: String,
}

/// Greets people by name.
#[hecate_service(version = "1.0.0")]
impl HecateGreeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<Greeting> {
        Ok(Greeting { message: request.name })
    }
}

fn main() -> ExitCode {
    let _ = HecateGreeter::GREET;
    hecate_om::run::<HecateGreeter>()
}
