use hecate_om::prelude::*;

#[settings]
struct LibrarySettings(String, u8);

fn main() {}
