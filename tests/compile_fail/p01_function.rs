use hecate_om::prelude::*;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
async fn greet(name: String) -> Result<String> {
    Ok(format!("Hello, {name}!"))
}

fn main() -> ExitCode {
    drop(greet("Ada".to_owned()));
    ExitCode::SUCCESS
}
