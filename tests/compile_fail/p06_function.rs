use hecate_om::prelude::*;

#[message]
struct Greet {
    name: String,
}

/// Greets one person.
#[hecate_om::capability(name = "greeter.greet", version = 1)]
async fn greet(request: Greet) -> Result<String> {
    Ok(request.name)
}

fn main() {
    drop(greet(Greet { name: "Ada".to_owned() }));
}
