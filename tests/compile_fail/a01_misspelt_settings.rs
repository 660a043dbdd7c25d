use hecate_om::prelude::*;

#[settings]
struct LibrarySettings {
    town: String,
}

struct Library;

/// Lends books.
#[hecate_service(name = "hecate-library", setings = LibrarySettings)]
impl Library {
    async fn start(_: Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

fn main() {}
