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
impl<L> Greeter<L>
where
    L: Default + Send + Sync + 'static,
{
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<Greeting> {
        Ok(Greeting { message: request.name })
    }
}

fn main() -> ExitCode {
    let _ = Greeter::<String>::GREET;
    let _ = Greeter { language: String::new() }.language;
    hecate_om::run::<Greeter<String>>()
}
