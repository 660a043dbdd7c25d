use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

#[derive(Refusal)]
enum GreetRefusal {
    /// The name is empty.
    InvalidRequest { field: String },
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets nobody in particular.
    #[capability(version = 1)]
    async fn greet(&self) -> Result<(), GreetRefusal> {
        Err(GreetRefusal::InvalidRequest { field: "name".to_owned() })
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
