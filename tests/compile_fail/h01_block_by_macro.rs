use hecate_om::prelude::*;

macro_rules! greeter {
    ($name:literal) => {
        #[derive(Default)]
        struct Greeter;

        /// Greets people by name.
        #[hecate_service(name = $name)]
        impl Greeter {
            /// Greets nobody in particular.
            #[capability(version = 1)]
            fn greet(&self) -> Result<()> {
                Ok(())
            }
        }
    };
}

greeter!("hecate-greeter");

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
