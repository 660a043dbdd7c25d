use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter {
    greeting: Greeting,
}

#[message]
struct Greet {
    name: String,
}

#[message]
#[derive(Default)]
struct Greeting {
    message: String,
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<&Greeting> {
        println!("{}", request.name);
        Ok(&self.greeting)
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
