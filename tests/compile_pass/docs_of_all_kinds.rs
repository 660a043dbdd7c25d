//! Every doc comment that is a literal is a text; other doc attributes are none.

#![deny(warnings)]

use hecate_om::prelude::*;

#[derive(Default)]
struct Greeter;

/** Greets people,
 *  in a block comment. */
#[hecate_service(name = "hecate-greeter")]
#[doc = "And in an attribute."]
impl Greeter {
    #![allow(clippy::needless_pass_by_value)]

    #[doc = "Greets one "]
    #[doc(hidden)]
    #[doc = r"person."]
    #[capability(version = 1)]
    async fn greet(&self) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Parrot;

#[doc = include_str!("docs_of_all_kinds.rs")]
#[hecate_service(name = "hecate-parrot", description = "Says it again.")]
impl Parrot {}

fn main() {
    let [greet] = Greeter::capabilities() else { panic!() };
    assert_eq!(greet.description, "Greets one\nperson.");
    assert_eq!(Parrot::info().description, "Says it again.");
    let _ = hecate_om::run::<Greeter>;
}
