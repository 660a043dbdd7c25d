use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter {
    greeted: Cell<u64>,
}

#[message]
struct Greet {
    name: String,
}

#[message]
struct Greeting {
    message: String,
}

use std::cell::Cell;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<Greeting> {
        Ok(Greeting { message: request.name })
    }
}

fn main() -> ExitCode {
    let _ = (Greeter::GREET, Greeter::default().greeted);
    hecate_om::run::<Greeter>()
}
