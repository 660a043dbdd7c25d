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

use std::rc::Rc;

async fn pause() {}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<Greeting> {
        let name = Rc::new(request.name);
        pause().await;
        Ok(Greeting { message: name.to_string() })
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
