//! Streams may be of whatever a request or a reply may be, and be named by any path.

#![deny(warnings)]

use std::collections::BTreeMap;

use hecate_om::prelude::*;

/// Counts, and is its own item.
#[message]
#[derive(Default)]
struct Counter {
    count: u64,
}

trait Counted {
    type Number;
}

impl Counted for Counter {
    type Number = Number;
}

#[message]
struct Count {
    to: u64,
}

#[message]
struct Number {
    value: u64,
}

#[message]
struct Page<T> {
    items: Vec<T>,
}

#[derive(Refusal)]
enum CountRefusal {
    /// There are too many.
    TooMany,
}

type Outcome<T, E = CountRefusal> = std::result::Result<T, E>;

/// Counts.
#[hecate_service(name = "hecate-counter")]
impl Counter {
    /// Counts up to a number.
    #[capability(version = 1)]
    async fn up(&self, request: Count) -> Result<ReplyStream<Number>, CountRefusal> {
        let _ = request.to;
        Err(CountRefusal::TooMany)
    }

    /// Counts down, through an alias of `Result`.
    #[capability(version = 1)]
    async fn down(&self, request: Count, _: &Call<Self>) -> Outcome<ReplyStream<Number>> {
        let _ = request.to;
        Err(CountRefusal::TooMany)
    }

    /// Sends what it is, as often as it was sent that.
    #[capability(version = 1)]
    async fn mirror(&self, mut others: RequestStream<Self>) -> Result<ReplyStream<Self>> {
        let mut own = Vec::new();
        while let Some(other) = others.next().await {
            own.push(Self { count: other?.count });
        }
        Ok(ReplyStream::iter(own))
    }

    /// Takes numbers by the names that another trait gives them.
    #[capability(version = 1)]
    async fn sum(&self, numbers: RequestStream<<Self as Counted>::Number>, call: &Call<Self>) -> Result<Number> {
        let mut numbers = numbers;
        let mut value = self.count;
        while let Some(number) = numbers.next().await {
            value += number?.value;
        }
        let _ = call.id();
        Ok(Number { value })
    }

    /// Takes pages, answers with maps, and names all by their paths.
    #[capability(version = 1)]
    #[rustfmt::skip]
    async fn pages(
        &self,
        _: hecate_om::RequestStream::<Page<Number>>,
    ) -> std::result::Result<hecate_om::ReplyStream<BTreeMap<String, Vec<Number>>>, CapabilityError> {
        Ok(ReplyStream::iter([BTreeMap::new()]))
    }

    /// Ticks for each tick.
    #[capability(version = 1, idempotent)]
    async fn tick(&self, _: RequestStream<()>) -> Result<ReplyStream<()>> {
        Ok(ReplyStream::iter([()]))
    }
}

/// Streams to those who ask for one: messages whose names are those of streams.
mod named {
    use hecate_om::{capability, hecate_service, message};

    #[message]
    pub struct RequestStream {
        pub name: String,
    }

    #[message]
    pub struct ReplyStream {
        pub name: String,
    }

    #[derive(Default)]
    pub struct Streamer;

    /// Streams.
    #[hecate_service(name = "hecate-streamer")]
    impl Streamer {
        /// Tells of a stream.
        #[capability(version = 1)]
        pub async fn tell(&self, request: RequestStream) -> hecate_om::Result<ReplyStream> {
            Ok(ReplyStream { name: request.name })
        }
    }
}

remote_service!(pub(crate) Other in "hecate-other" {
    COUNT: "other.count" = 1, Count -> ReplyStream<Number>;
    SUM: "other.sum" = 1, RequestStream<Number> -> Number, access = open;
    SQUARE: "other.square" = 2, hecate_om::RequestStream<Page<Number>> -> hecate_om::ReplyStream<()>, idempotent
});

fn main() {
    let _: Capability<Counter, Count, ReplyStream<Number>> = Counter::UP;
    let _: Capability<Counter, Count, ReplyStream<Number>> = Counter::DOWN;
    let _: Capability<Counter, RequestStream<Counter>, ReplyStream<Counter>> = Counter::MIRROR;
    let _: Capability<Counter, RequestStream<Number>, Number> = Counter::SUM;
    let _: Capability<Counter, RequestStream<()>, ReplyStream<()>> = Counter::TICK;
    let _: Capability<Other, Count, ReplyStream<Number>> = Other::COUNT;
    let _: Capability<Other, RequestStream<Number>, Number> = Other::SUM;
    let _: Capability<Other, RequestStream<Page<Number>>, ReplyStream<()>> = Other::SQUARE;
    let kinds = Counter::capabilities().iter().map(|capability| capability.kind.to_string()).collect::<Vec<_>>();
    assert_eq!(kinds, ["server_stream", "server_stream", "bidi", "client_stream", "bidi", "bidi"]);
    let told = kinds.iter().map(|kind| Counter::MANIFEST.matches(&format!("\"kind\": \"{kind}\"")).count());
    assert_eq!(told.collect::<Vec<_>>(), [2, 2, 3, 1, 3, 3]);
    assert_eq!(named::Streamer::capabilities()[0].kind.to_string(), "unary");
    let _ = (hecate_om::run::<Counter>, hecate_om::run::<named::Streamer>);
}
