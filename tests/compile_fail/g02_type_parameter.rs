use hecate_om::prelude::*;

#[settings]
struct LibrarySettings<T> {
    town: T,
}

fn main() {}
