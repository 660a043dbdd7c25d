use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

struct Language;

#[message]
struct Greet {
    name: String,
    language: Language,
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<()> {
        let (_, _) = (request.name, request.language);
        Ok(())
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
