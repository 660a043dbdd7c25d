//! Attributes that are none of ours stay where they are, and other macros see the method.

#![deny(warnings)]

use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

/// Greets people.
#[allow(clippy::unused_async)]
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[inline]
    #[must_use = "it is lazy"]
    #[capability(version = 1)]
    #[allow(unused_variables, clippy::no_effect_underscore_binding)]
    #[cold]
    async fn greet(&self, #[allow(unused_mut)] mut request: Greet) -> Result<()> {
        Ok(())
    }

    /// Says nothing.
    #[hecate_om::capability(version = 1)]
    async fn by_path(&self) -> Result<()> {
        Ok(())
    }

    /// Says nothing, either.
    #[::hecate_om::prelude::capability(version = 1)]
    async fn by_another(&self) -> Result<()> {
        Ok(())
    }
}

#[::hecate_om::message]
struct Greet {
    #[allow(dead_code)]
    name: String,
}

fn main() {
    assert_eq!(Greeter::capabilities().len(), 3);
    let _ = hecate_om::run::<Greeter>;
}
