use hecate_om::prelude::*;

#[settings]
#[derive(Debug, serde::Deserialize)]
struct LibrarySettings {
    town: String,
}

fn main() {}
