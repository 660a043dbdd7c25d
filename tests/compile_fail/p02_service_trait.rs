use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Service for Greeter {
    /// Greets nobody in particular.
    #[capability(version = 1)]
    async fn greet(&self) -> Result<()> {
        Ok(())
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
