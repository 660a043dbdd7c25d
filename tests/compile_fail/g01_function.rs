use hecate_om::prelude::*;

#[settings]
fn town() -> String {
    String::new()
}

fn main() {}
