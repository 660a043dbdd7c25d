use hecate_om::prelude::*;

#[message]
pub struct Query {
    text: String,
}

#[message]
pub struct Answer {
    text: String,
}

remote_service!(crate = hecate_om, pub Rag in "hecate-rag" {});

fn main() {}
