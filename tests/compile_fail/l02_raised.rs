use hecate_om::prelude::*;

#[derive(Default)]
pub struct Greeter;

/// Greets people.
#[hecate_service(name = "hecate-locked-raised")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 2)]
    pub async fn greet(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {}
