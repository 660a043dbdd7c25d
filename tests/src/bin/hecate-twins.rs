//! Three services in one binary: two of them claim the same capability. `TWIN` tells which one runs.

use hecate_om::prelude::*;

#[derive(Default)]
struct Left;

#[derive(Default)]
struct Right;

#[derive(Default)]
struct Apart;

/// Claims it first.
#[hecate_service(name = "hecate-left", scope = "twin")]
impl Left {
    /// Says hello.
    #[capability(version = 1)]
    async fn hello(&self) -> Result<()> {
        Ok(())
    }
}

/// Claims it, too.
#[hecate_service(name = "hecate-right", scope = "twin")]
impl Right {
    /// Says hello as well.
    #[capability(version = 1)]
    async fn hello(&self) -> Result<()> {
        Ok(())
    }

    /// Says hello in a newer way, which nobody else does.
    #[capability(name = "twin.hello", version = 2)]
    async fn hello_anew(&self) -> Result<()> {
        Ok(())
    }
}

/// Claims nothing of theirs.
#[hecate_service(name = "hecate-apart")]
impl Apart {
    /// Says hello.
    #[capability(version = 1)]
    async fn hello(&self) -> Result<()> {
        Ok(())
    }
}

fn main() -> ExitCode {
    match std::env::var("TWIN").as_deref() {
        Ok("left") => hecate_om::run::<Left>(),
        Ok("right") => hecate_om::run::<Right>(),
        _ => hecate_om::run::<Apart>(),
    }
}
