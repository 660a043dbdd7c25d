use hecate_om::prelude::*;

macro_rules! greeter {
    ($name:literal, $method:ident, $version:literal) => {
        #[derive(Default)]
        struct Greeter;

        /// Greets people by name.
        #[hecate_service(name = $name)]
        impl Greeter {
            /// Greets nobody in particular.
            #[capability(version = $version)]
            async fn $method(&self) -> Result<()> {
                Ok(())
            }
        }
    };
}

greeter!("hecate-greeter", greet, 0);

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
