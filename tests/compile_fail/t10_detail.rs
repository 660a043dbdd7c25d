use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

struct Language;

#[derive(Refusal)]
enum GreetRefusal {
    /// There is no such language.
    NoSuchLanguage { asked: Language },
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets nobody in particular.
    #[capability(version = 1)]
    async fn greet(&self) -> Result<(), GreetRefusal> {
        Err(GreetRefusal::NoSuchLanguage { asked: Language })
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
