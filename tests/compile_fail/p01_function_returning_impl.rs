use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets nobody in particular.
    #[capability(version = 1)]
    async fn greet(&self) -> Result<()> {
        Ok(())
    }
}

/// Makes one that greets.
#[hecate_service(name = "hecate-maker")]
fn make() -> impl Service {
    Greeter
}

fn main() -> ExitCode {
    drop(make());
    hecate_om::run::<Greeter>()
}
