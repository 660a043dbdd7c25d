//! Refusals pass others on, nested and named, and carry details of every kind.

#![deny(warnings)]

use std::collections::HashMap;

use hecate_om::prelude::*;

#[derive(Refusal, Debug)]
#[non_exhaustive]
pub enum Inner {
    /// The inner reason.
    Deep,
}

#[message]
#[derive(Debug)]
struct Limit {
    bytes: u64,
}

/// Why a greeting is refused.
#[derive(Debug, Refusal)]
enum Outer {
    /// Nobody to greet.
    NoName,
    /// Nothing in it.
    Empty {},
    /// The name is too long.
    #[allow(dead_code)]
    TooLong { limit: Limit, found: usize, words: HashMap<String, Vec<u8>>, code: &'static str, message: Option<()> },
    #[refusal(transparent)]
    Inner(Inner),
    #[refusal(transparent)]
    Named { inner: CapabilityError },
    #[refusal(transparent)]
    Call(CallError),
}

/// No reason at all.
#[derive(Refusal)]
enum Never {}

#[derive(Default)]
struct Greeter;

/// Greets people.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self) -> Result<(), Outer> {
        Err(Inner::Deep)?;
        Err(CapabilityError::refused("other", "Another reason."))?
    }

    /// Never refuses.
    #[capability(version = 1)]
    async fn nod(&self) -> Result<(), Never> {
        Ok(())
    }
}

fn main() {
    let codes: Vec<_> = Outer::codes().into_iter().map(|code| code.code).collect();
    assert_eq!(codes, ["no_name", "empty", "too_long", "deep"]);
    assert_eq!(Outer::from(Inner::Deep).into_error().code(), "deep");
    let too_long =
        Outer::TooLong { limit: Limit { bytes: 80 }, found: 81, words: HashMap::new(), code: "x", message: None };
    assert_eq!(too_long.into_error().details().unwrap()["limit"]["bytes"], 80);
    let _ = (Outer::NoName, Outer::Empty {}, Greeter::NOD);
}
