use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

#[message]
type Greet = std::collections::HashMap<String, String>;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<()> {
        drop(request);
        Ok(())
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
