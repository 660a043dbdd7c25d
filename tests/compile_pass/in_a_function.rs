//! A service may live in the body of a function.

#![deny(warnings)]

use hecate_om::prelude::*;

fn name() -> &'static str {
    #[derive(Default)]
    struct Greeter;

    #[message]
    struct Greeting {
        message: String,
    }

    #[derive(Refusal)]
    enum GreetRefusal {
        /// Too tired.
        Tired,
    }

    /// Greets people.
    #[hecate_service(name = "hecate-greeter")]
    impl Greeter {
        /// Greets whoever calls.
        #[capability(version = 1)]
        async fn greet(&self) -> Result<Greeting, GreetRefusal> {
            if false { Err(GreetRefusal::Tired) } else { Ok(Greeting { message: String::new() }) }
        }
    }
    let _ = Greeter::GREET;
    Greeter::info().name
}

fn main() {
    assert_eq!(name(), "hecate-greeter");
}
