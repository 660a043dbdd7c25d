use hecate_om::prelude::*;

/// Keeps things.
#[hecate_service(name = "hecate-store")]
struct Store<T>
where
    T: Clone,
{
    things: Vec<T>,
}

fn main() -> ExitCode {
    println!("{}", Store::<String>::info().name);
    hecate_om::run::<Store<String>>()
}
