//! A `Result` may be spelled in every way that Rust has.

#![deny(warnings)]

use hecate_om::prelude as om;
use hecate_om::{CapabilityError, capability, hecate_service, message};

/// The user's own, with one parameter.
type Result<T> = std::result::Result<T, CapabilityError>;
type Outcome = std::result::Result<Reply, CapabilityError>;
type Answer<T> = om::Result<T>;

#[message]
struct Reply {
    text: String,
}

fn reply() -> Reply {
    Reply { text: String::new() }
}

#[derive(Default)]
struct Speaker;

/// Speaks.
#[hecate_service(name = "hecate-speaker")]
impl Speaker {
    /// By the user's own alias.
    #[capability(version = 1)]
    async fn alias(&self) -> Result<Reply> {
        Ok(reply())
    }

    /// By an alias without parameters.
    #[capability(version = 1)]
    async fn outcome(&self) -> Outcome {
        Ok(reply())
    }

    /// By an alias of another name.
    #[capability(version = 1)]
    async fn answer(&self) -> Answer<Reply> {
        Ok(reply())
    }

    /// By the prelude's.
    #[capability(version = 1)]
    async fn prelude(&self) -> om::Result<Reply> {
        Ok(reply())
    }

    /// By the standard library's.
    #[capability(version = 1)]
    async fn core(&self) -> ::core::result::Result<Reply, CapabilityError> {
        Ok(reply())
    }

    /// With nothing in it.
    #[capability(version = 1)]
    async fn nothing(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {
    // The alias is seen through: the constant answers with what the `Result` holds.
    let _: hecate_om::Capability<Speaker, (), Reply> = Speaker::OUTCOME;
    let _: hecate_om::Capability<Speaker, (), Reply> = Speaker::ANSWER;
    assert_eq!(Speaker::capabilities().len(), 6);
    let _ = hecate_om::run::<Speaker>;
}
