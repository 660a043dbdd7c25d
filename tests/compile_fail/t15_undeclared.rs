use hecate_om::{Uses, prelude::*};

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
        let _ = call.id();
        needs(Rag::QUERY, self);
        Ok(request)
    }
}

fn needs<P: Uses<S>, S, R, T>(_: Capability<S, R, T>, _: &P) {}

fn main() -> ExitCode {
    let _ = Greeter::GREET;
    hecate_om::run::<Greeter>()
}
