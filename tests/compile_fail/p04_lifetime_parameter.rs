use hecate_om::prelude::*;

struct Greeter<'a> {
    language: &'a str,
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
impl<'a> Greeter<'a> {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<Greeting> {
        Ok(Greeting { message: request.name })
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    let _ = Greeter { language: "en" }.language;
    hecate_om::run::<Greeter<'static>>()
}
