//! A whole block may be conditional, and so may statements and methods that are no capabilities.

#![deny(warnings)]

use hecate_om::prelude::*;

#[cfg(unix)]
#[derive(Default)]
struct Greeter;

#[cfg(unix)]
/// Greets people.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    #[cfg_attr(all(), allow(unused_variables))]
    async fn greet(&self, call: &Call<Self>) -> Result<()> {
        #[cfg(not(unix))]
        let missing = Nothing;
        Ok(())
    }

    #[cfg(not(unix))]
    fn missing(&self) -> Nothing {}
}

#[cfg(not(unix))]
#[hecate_service(name = "hecate-greeter")]
impl Nothing {}

#[cfg_attr(unix, hecate_service(name = "hecate-parrot", description = "Says it again."))]
impl Parrot {
    /// Says it.
    #[capability(version = 1)]
    async fn say(&self) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Parrot;

fn main() {
    let _ = Greeter::GREET;
    let _ = Parrot::SAY;
}
