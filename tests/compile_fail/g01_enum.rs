use hecate_om::prelude::*;

#[settings]
enum Tone {
    Soft,
    Loud,
}

struct Library;

/// Lends books.
#[hecate_service(name = "hecate-library", settings = Tone)]
impl Library {
    async fn start(_: Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

fn main() {}
