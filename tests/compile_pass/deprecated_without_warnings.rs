//! What is deprecated warns its callers, never the block that declares it.

#![deny(warnings)]

use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

/// Greets people.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Told to callers on the mesh and to callers of the constant.
    #[capability(version = 1, deprecated = "use version 2")]
    async fn greet(&self) -> Result<()> {
        Ok(())
    }

    /// Rust's own attribute, for those who call the method.
    #[deprecated]
    #[capability(name = "greeter.greet", version = 2)]
    async fn greet_again(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {
    #[allow(deprecated)]
    let _ = Greeter::GREET;
    let _ = Greeter::GREET_AGAIN;
    assert_eq!(Greeter::capabilities()[0].deprecated, Some("use version 2"));
    let _ = hecate_om::run::<Greeter>;
}
