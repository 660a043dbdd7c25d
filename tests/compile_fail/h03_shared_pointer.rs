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

use std::sync::Arc;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(self: Arc<Self>, request: Greet) -> Result<Greeting> {
        Ok(Greeting { message: request.name })
    }
}

async fn greets() -> String {
    let service = hecate_om::testing::start::<Greeter>().await.unwrap();
    service.call(Greeter::GREET, Greet { name: "Ada".to_owned() }).await.unwrap().message
}

fn main() -> ExitCode {
    let _ = greets();
    hecate_om::run::<Greeter>()
}
