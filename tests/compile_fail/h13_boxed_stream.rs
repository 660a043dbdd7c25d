use hecate_om::prelude::*;

use std::pin::Pin;

#[derive(Default)]
struct Counter;

#[message]
struct Count {
    to: u64,
}

#[message]
struct Number {
    value: u64,
}

trait Stream {
    type Item;
}

/// Counts.
#[hecate_service(name = "hecate-counter")]
impl Counter {
    /// Counts numbers.
    #[capability(version = 1)]
    async fn count(&self, request: Count) -> Result<Pin<Box<dyn Stream<Item = Number> + Send>>> {
        drop(request);
        todo!()
    }
}

fn main() -> ExitCode {
    let _ = Counter::COUNT;
    hecate_om::run::<Counter>()
}
