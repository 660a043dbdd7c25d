use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

#[message]
struct Greeting {
    message: String,
}

impl Greeter {
    /// Greets nobody in particular.
    #[capability(version = 1)]
    async fn greet(&self) -> Result<Greeting> {
        Ok(Greeting { message: "Hello!".to_owned() })
    }
}

fn main() {
    drop(Greeter.greet());
}
