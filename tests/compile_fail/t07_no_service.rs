use hecate_om::prelude::*;

struct Greeter;

fn main() -> ExitCode {
    let _ = Greeter;
    hecate_om::run::<Greeter>()
}
