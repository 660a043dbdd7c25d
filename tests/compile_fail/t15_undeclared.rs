use hecate_om::prelude::*;

#[message]
pub struct Query {
    text: String,
}

remote_service!(pub Rag in "hecate-rag" {
    QUERY: "rag.query" = 1, Query -> Query
});

#[derive(Default)]
struct Greeter;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Query, call: &Call<Self>) -> Result<Query> {
        Ok(Rag::QUERY.call(call, request).await.unwrap())
    }
}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
