//! The service that is measured, as an author writes it.

use hecate_om::prelude::*;

/// Says back what it is told.
#[derive(Default)]
pub(crate) struct Echo;

/// Something to say.
#[message]
pub(crate) struct Say {
    pub(crate) text: String,
}

/// What was said.
#[message]
pub(crate) struct Said {
    pub(crate) text: String,
}

/// Why nothing was said.
#[derive(Refusal)]
pub(crate) enum EchoRefusal {
    /// There is nothing to say.
    Silence,
}

/// Says back what it is told.
#[hecate_service(name = "hecate-echo")]
impl Echo {
    /// Says it back.
    #[capability(version = 1)]
    pub(crate) async fn say(&self, request: Say) -> Result<Said, EchoRefusal> {
        if request.text.is_empty() { Err(EchoRefusal::Silence) } else { Ok(Said { text: request.text }) }
    }
}
