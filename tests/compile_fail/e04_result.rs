use hecate_om::prelude::*;

#[message]
pub struct Query {
    text: String,
}

#[message]
pub struct Answer {
    text: String,
}

remote_service!(pub Rag in "hecate-rag" {
    QUERY: "rag.query" = 1, Query -> Result<Answer, CallError>;
});

fn main() {
    println!("{}", Rag::QUERY);
}
