use hecate_om::prelude::*;

#[message]
pub struct Query {
    text: String,
}

#[message]
pub struct Answer {
    text: String,
}

remote_service!(pub Rag in "hecate-rag" {}, pub Echo in "hecate-echo" {});

fn main() {
    println!("{}", std::any::type_name::<Rag>());
}
