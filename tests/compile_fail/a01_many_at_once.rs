use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

#[message]
struct Greet {
    name: String,
}

#[message]
struct Greeting {
    message: String,
}

/// Greets people by name.
#[hecate_service(name = "Hecate Greeter", timeout = "5s")]
impl Greeter {
    /// Greets one person.
    #[capability(verzion = 1, timeout = "5 parsecs")]
    fn greet(&mut self, request: Greet) -> Greeting {
        Greeting { message: request.name }
    }

    async fn health(&self) -> bool {
        true
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
