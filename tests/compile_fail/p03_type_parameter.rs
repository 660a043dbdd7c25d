use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter<L> {
    language: L,
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
impl<L: Default + Send + Sync + 'static> Greeter<L> {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<Greeting> {
        Ok(Greeting { message: request.name })
    }
}

#[derive(Default)]
struct English;

fn main() -> ExitCode {
    let _ = Greeter::<English>::GREET;
    let _ = Greeter { language: English }.language;
    hecate_om::run::<Greeter<English>>()
}
