use hecate_om::prelude::*;

#[derive(Default)]
pub struct Greeter;

/// Greets people.
#[hecate_service(name = "hecate-locked-wrong")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1)]
    pub async fn greet(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {}
