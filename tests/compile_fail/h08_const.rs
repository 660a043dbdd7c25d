use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets nobody in particular.
    #[capability(version = 1)]
    pub const fn greet(&self) -> Result<()> {
        Ok(())
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
