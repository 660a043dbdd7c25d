use hecate_om::prelude::*;

#[message]
fn greet(name: String) -> String {
    format!("Hello, {name}!")
}

fn main() {
    println!("{}", greet("Ada".to_owned()));
}
