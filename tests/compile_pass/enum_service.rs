//! A service may be an enum.

#![deny(warnings)]

use hecate_om::prelude::*;

#[derive(Default)]
enum Lamp {
    #[default]
    Off,
    On {
        level: u8,
    },
}

#[message]
struct Level {
    level: u8,
}

/// Tells how bright a lamp is.
#[hecate_service(name = "hecate-lamp")]
impl Lamp {
    /// The level, 0 when it is off.
    #[capability(version = 1)]
    async fn level(&self) -> Result<Level> {
        Ok(match self {
            Self::Off => Level { level: 0 },
            Self::On { level } => Level { level: *level },
        })
    }
}

fn main() {
    let _ = Lamp::On { level: 1 };
    assert_eq!(Lamp::LEVEL.to_string(), "lamp.level@1");
    let _ = hecate_om::run::<Lamp>;
}
