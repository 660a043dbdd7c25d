use hecate_om::prelude::*;

struct Greeter {
    context: Context<Self>,
}

#[message]
struct Greet {
    name: String,
}

#[message]
struct Greeting {
    message: String,
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    async fn start(context: Context<Self>) -> Self {
        Self { context }
    }

    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<Greeting> {
        Ok(Greeting { message: request.name })
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    let _ = |greeter: Greeter| greeter.context;
    hecate_om::run::<Greeter>()
}
