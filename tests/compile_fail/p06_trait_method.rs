use hecate_om::prelude::*;

trait Greets {
    #[capability(version = 1)]
    async fn greet(&self) -> Result<()>;
}

struct Greeter;

impl Greets for Greeter {
    async fn greet(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {
    drop(Greeter.greet());
}
