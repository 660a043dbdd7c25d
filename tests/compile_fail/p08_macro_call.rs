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

macro_rules! answer {
    ($name:ident) => {
        /// Answers.
        #[capability(version = 1)]
        async fn $name(&self) -> Result<()> {
            Ok(())
        }
    };
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<Greeting> {
        Ok(Greeting { message: request.name })
    }

    answer!(bye);
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
