//! A stream, its item or a limit may come from a macro, and a block of streams may be conditional.

#![deny(warnings)]

use hecate_om::prelude::*;

#[message]
struct Number {
    value: u64,
}

macro_rules! service {
    ($service:ident, $name:literal, $payload:literal, $concurrency:literal, $item:ty, $takes:ty, $answers:ty) => {
        #[derive(Default)]
        struct $service;

        /// Passes numbers on.
        #[hecate_service(name = $name)]
        impl $service {
            /// Passes on what it takes.
            #[capability(version = 1, limits(payload = $payload, concurrency = $concurrency))]
            async fn pass(&self, _items: $takes) -> Result<$answers> {
                Ok(<$answers>::iter(Vec::<$item>::new()))
            }

            /// Gives one after the other.
            #[capability(version = 1)]
            async fn give(&self, mut items: RequestStream<$item>) -> Result<ReplyStream<$item>> {
                while let Some(item) = items.next().await {
                    let _: $item = item?;
                }
                Ok(ReplyStream::iter(Vec::new()))
            }
        }
    };
}

service!(Passer, "hecate-passer", "64KiB", 8, Number, RequestStream<Number>, ReplyStream<Number>);

#[cfg(unix)]
#[derive(Default)]
struct Counter;

#[cfg(unix)]
/// Counts.
#[hecate_service(name = "hecate-counter")]
impl Counter {
    /// Counts.
    #[capability(version = 1)]
    async fn count(&self) -> Result<ReplyStream<Number>> {
        #[cfg(not(unix))]
        return Nothing;
        Ok(ReplyStream::iter((1..3).map(|value| Number { value })))
    }
}

#[cfg(not(unix))]
#[hecate_service(name = "hecate-nothing")]
impl Nothing {
    #[capability(version = 1)]
    async fn nothing(&self) -> ReplyStream<&Nothing> {}
}

fn main() {
    let _: Capability<Passer, RequestStream<Number>, ReplyStream<Number>> = Passer::PASS;
    let _: Capability<Passer, RequestStream<Number>, ReplyStream<Number>> = Passer::GIVE;
    assert_eq!((Passer::capabilities()[0].limits.payload, Passer::capabilities()[0].limits.concurrency), (65_536, 8));
    let _: Capability<Counter, (), ReplyStream<Number>> = Counter::COUNT;
    let _ = (hecate_om::run::<Passer>, hecate_om::run::<Counter>);
}
