//! A block may come from a macro, with whatever fragments its author hands on.

#![deny(warnings)]

use hecate_om::prelude::*;

#[message]
struct Greet {
    name: String,
}

#[message]
struct Greeting {
    message: String,
}

macro_rules! service {
    (
        $(#[$attribute:meta])*
        $vis:vis $service:ident in $ty:ty, $name:literal, $description:expr, $timeout:literal {
            $($(#[$doc:meta])* $version:literal $method:ident($request:ident: $takes:ty) -> $answers:ty { $($body:tt)* })*
        }
    ) => {
        #[derive(Default)]
        $vis struct $service;

        $(#[$attribute])*
        #[hecate_service(name = $name, description = $description)]
        impl $ty {
            $(
                $(#[$doc])*
                #[capability(version = $version, timeout = $timeout)]
                $vis async fn $method(&self, $request: $takes, _call: &Call<$ty>) -> $answers { $($body)* }
            )*
        }
    };
}

service! {
    #[allow(dead_code)]
    pub(crate) Greeter in Greeter, "hecate-greeter", "Greets people.", "5s" {
        /// Greets one person.
        1 greet(request: Greet) -> Result<Greeting> {
            Ok(Greeting { message: request.name })
        }
        /// Waves.
        2 wave(request: ()) -> Result<()> {
            Ok(request)
        }
    }
}

fn main() {
    let _: Capability<Greeter, Greet, Greeting> = Greeter::GREET;
    assert_eq!(Greeter::WAVE.to_string(), "greeter.wave@2");
    assert_eq!(Greeter::capabilities()[0].description, "Greets one person.");
    assert_eq!(Greeter::info().description, "Greets people.");
    let _ = hecate_om::run::<Greeter>;
}
