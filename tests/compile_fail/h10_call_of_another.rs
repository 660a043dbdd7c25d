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

struct Parrot;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet, call: &Call<Parrot>) -> Result<Greeting> {
        Ok(Greeting { message: format!("{} {}", call.id(), request.name) })
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
