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
#[hecate_service(name = "hecate-greeter", uses(Rag))]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Query) -> Result<Query, CallError> {
        Rag::QUERY.call(self, request).await
    }
}

fn main() -> ExitCode {
    hecate_om::run::<Greeter>()
}
