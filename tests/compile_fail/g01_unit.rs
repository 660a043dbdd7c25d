use hecate_om::prelude::*;

#[settings]
struct LibrarySettings;

fn main() {}
