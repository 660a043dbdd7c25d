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
    QUERY: "rag.query", Query -> Answer;
    ASK: "Rag.Ask" = 0, Query -> Answer, access = opne;
    TELL: "books.tell" = "1", Query -> Answer, idempotent = true;
});

fn main() {
    println!("{} {} {}", Rag::QUERY, Rag::ASK, Rag::TELL);
}
