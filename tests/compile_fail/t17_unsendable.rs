use hecate_om::prelude::*;

pub struct Query {
    text: String,
}

#[message]
pub struct Answer {
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
    async fn greet(&self, request: Answer, call: &Call<Self>) -> Result<Answer, CallError> {
        Rag::QUERY.call(call, Query { text: request.text }).await
    }
}

fn main() -> ExitCode {
    hecate_om::run::<Greeter>()
}
