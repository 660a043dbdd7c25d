#[derive(Default)]
pub struct Counter;

/// Counts numbers.
#[hecate_service(name = "hecate-counter")]
impl Counter {
    /// Counts up to a number.
    #[capability(version = 1, limits(concurrency = 8, per_caller = "60/1m"))]
    pub async fn count(&self, request: Count) -> Result<ReplyStream<Number>, CountRefusal> {
        todo!()
    }

    /// Adds numbers.
    #[capability(version = 1, confidential = required)]
    async fn sum(&self, mut numbers: RequestStream<Number>, call: &Call<Self>) -> Result<Number> {
        todo!()
    }

    /// Squares each number.
    #[capability(version = 1, confidential = off, cancel_on_disconnect, idempotent)]
    async fn square(&self, numbers: stream::RequestStream<Number>) -> Result<stream::ReplyStream<Number>> {
        todo!()
    }

    /// Ticks.
    #[capability(version = 1, limits(payload = "1MiB"), confidential = preferred)]
    async fn tick(&self) -> Result<ReplyStream<()>> {
        todo!()
    }
}

remote_service! {
    pub Other in "hecate-other" {
        COUNT: "other.count" = 1, Count -> ReplyStream<Number>;
        SUM: "other.sum" = 1, RequestStream<Number> -> Number, access = open;
        SQUARE: "other.square" = 1, RequestStream<Number> -> ReplyStream<Number>, idempotent
    }
}
