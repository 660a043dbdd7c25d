use hecate_om::prelude::*;

#[settings]
struct LibrarySettings {
    town: String,
}

#[derive(Default)]
struct Library;

/// Lends books.
#[hecate_service(name = "hecate-library", settings = "LibrarySettings")]
impl Library {}

fn main() {}
