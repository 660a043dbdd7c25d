//! `Self` may stand where the type may.

#![deny(warnings)]

use hecate_om::prelude::*;

/// Counts, and is its own message.
#[message]
#[derive(Default)]
struct Counter {
    count: u64,
}

trait Named {
    type Name;
}

#[message]
struct Name {
    name: String,
}

impl Named for Counter {
    type Name = Name;
}

/// Counts.
#[hecate_service(name = "hecate-counter")]
impl Counter {
    const STEP: u64 = 2;

    async fn start(_: Context<Self>) -> Result<Self, StartError> {
        Ok(Self::default())
    }

    /// Adds two counts.
    #[capability(version = 1)]
    async fn add(self: &Self, request: Self, _: &Call<Self>) -> Result<Self> {
        Ok(Self { count: self.count + request.count * Self::STEP })
    }

    /// Tells its name.
    #[capability(version = 1)]
    async fn name(&self) -> Result<<Self as Named>::Name> {
        Ok(Name { name: "counter".to_owned() })
    }
}

fn main() {
    let _: Capability<Counter, Counter, Counter> = Counter::ADD;
    let _: Capability<Counter, (), Name> = Counter::NAME;
}
