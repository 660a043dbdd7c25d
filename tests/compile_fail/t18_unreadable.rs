use hecate_om::prelude::*;

pub struct Answer {
    text: String,
}

#[message]
pub struct Query {
    text: String,
}

remote_service!(pub Rag in "hecate-rag" {
    QUERY: "rag.query" = 1, Query -> Answer
});

#[derive(Default)]
struct Greeter;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter", uses(Rag))]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    async fn greet(&self, request: Query, call: &Call<Self>) -> Result<Query, CallError> {
        let answer = Rag::QUERY.call(call, request).await?;
        Ok(Query { text: answer.text })
    }
}

fn main() -> ExitCode {
    hecate_om::run::<Greeter>()
}
