//! Says back what it is told: the smallest service that shows everything.

use std::time::Duration;

use hecate_om::prelude::*;

#[derive(Default)]
struct Echo;

/// Something to say.
#[message]
struct Say {
    text: String,
}

/// What was said.
#[message]
struct Said {
    text: String,
}

/// Something to say, and how often.
#[message]
struct SayTimes {
    text: String,
    times: u8,
}

#[derive(Refusal)]
enum EchoRefusal {
    /// There is nothing to say.
    Silence,
}

/// Says back what it is told.
#[hecate_service(name = "hecate-echo")]
impl Echo {
    /// Says it back.
    #[capability(version = 1)]
    async fn say(&self, request: Say) -> Result<Said, EchoRefusal> {
        if request.text.is_empty() { Err(EchoRefusal::Silence) } else { Ok(Said { text: request.text }) }
    }

    /// Says it back as often as you like.
    #[capability(name = "echo.say", version = 2)]
    async fn say_times(&self, request: SayTimes) -> Result<Said, EchoRefusal> {
        self.say(Say { text: request.text.repeat(request.times.into()) }).await
    }

    /// Says it back after three seconds: stop the service meanwhile, and see it answer.
    #[capability(version = 1, timeout = "5s")]
    async fn slow(&self, request: Say) -> Result<Said, EchoRefusal> {
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.say(request).await
    }
}

fn main() -> ExitCode {
    hecate_om::run::<Echo>()
}
