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
    QUERY = "rag.query", 1, Query -> Answer;
    ASK: rag.ask = 1, Query -> Answer;
    TELL: "rag.tell" = 1, Query;
    SAY: "rag.say" = 1, (Query) => Answer;
    fn find(Query) -> Answer;
});

fn main() {}
