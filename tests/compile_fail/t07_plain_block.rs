use hecate_om::prelude::*;

struct Greeter;

impl Greeter {
    async fn greet(&self) -> Result<()> {
        Ok(())
    }
}

fn main() -> ExitCode {
    drop(Greeter.greet());
    hecate_om::run::<Greeter>()
}
