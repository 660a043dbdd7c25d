use hecate_om::prelude::*;

#[settings(prefix = "LIBRARY")]
struct LibrarySettings {
    town: String,
}

fn main() {}
