use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

#[message(crate = hecate_om)]
struct Greeting {
    message: String,
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets nobody in particular.
    #[capability(version = 1)]
    async fn greet(&self) -> Result<Greeting> {
        Ok(Greeting { message: "Hello!".to_owned() })
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
