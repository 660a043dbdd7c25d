use hecate_om::prelude::*;

#[derive(Default)]
pub struct Greeter;

/// Greets people.
#[hecate_service(name = "hecate-locked-renamed")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    pub async fn greets(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {}
