use hecate_om::prelude::*;

#[hecate_service(name = "hecate-greeter")]
#[derive(Default)]
struct Greeter {
    greeted: std::sync::atomic::AtomicU64,
}

impl Greeter {
    /// Greets nobody in particular.
    #[capability(version = 1)]
    async fn greet(&self) -> Result<()> {
        Ok(())
    }
}

fn main() -> ExitCode {
    let _ = Greeter::default().greeted;
    hecate_om::run::<Greeter>()
}
