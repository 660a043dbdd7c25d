/// Greets people by name.
#[hecate_om::hecate_service(name = "hecate-greeter")]
mod greeter {
    pub struct Greeter;

    pub fn hello() -> &'static str {
        "Hello!"
    }
}

fn main() {
    let _ = greeter::Greeter;
    println!("{}", greeter::hello());
}
