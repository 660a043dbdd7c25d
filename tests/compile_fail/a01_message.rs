use hecate_om::prelude::*;

#[message(rename_all = "camelCase")]
struct Greet {
    first_name: String,
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Greet) -> Result<()> {
        println!("{}", request.first_name);
        Ok(())
    }
}

#[derive(Default)]
struct Greeter;

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
