use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter {
    greeted: Mutex<Vec<String>>,
}

#[message]
struct Greet {
    name: String,
}

#[message]
struct Greeting {
    message: String,
}

use std::sync::Mutex;

async fn pause() {}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<Greeting> {
        let mut greeted = self.greeted.lock().unwrap();
        pause().await;
        greeted.push(request.name.clone());
        Ok(Greeting { message: request.name })
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
