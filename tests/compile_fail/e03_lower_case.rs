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
    query: "rag.query" = 1, Query -> Answer;
    AskAgain: "rag.ask" = 1, Query -> Answer;
});

fn main() {
    println!("{}", Rag::query);
}
