use hecate_om::prelude::*;

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

type Numbers = RequestStream<Number>;

/// Counts.
#[hecate_service(name = "hecate-counter")]
impl Counter {
    /// Counts numbers.
    #[capability(version = 1)]
    async fn count(&self, numbers: Numbers) -> Result<Number> {
        drop(numbers);
        todo!()
    }
}

fn main() -> ExitCode {
    let _ = Counter::COUNT;
    hecate_om::run::<Counter>()
}
