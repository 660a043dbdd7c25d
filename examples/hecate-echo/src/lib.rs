//! Says back what it is told: the smallest service that shows everything.
//!
//! The service is a library with a `main` beside it, so that another one can name it where it calls it.

use std::time::Duration;

use hecate_om::prelude::*;

/// The service.
#[derive(Default)]
pub struct Echo;

/// Something to say.
#[message]
pub struct Say {
    /// What.
    pub text: String,
}

/// What was said, and by which way the call came.
#[message]
pub struct Said {
    /// What.
    pub text: String,
    /// `process`, `box` or `mesh`.
    pub via: String,
}

/// Something to say, and how often.
#[message]
pub struct SayTimes {
    /// What.
    pub text: String,
    /// How often.
    pub times: u8,
}

/// Why nothing is said back.
#[derive(Refusal)]
pub enum EchoRefusal {
    /// There is nothing to say.
    Silence,
}

/// Says back what it is told.
#[hecate_service(name = "hecate-echo")]
impl Echo {
    /// Says it back, to anyone.
    #[capability(version = 1, access = open)]
    pub async fn say(&self, request: Say, call: &Call<Self>) -> Result<Said, EchoRefusal> {
        said(request.text, call)
    }

    /// Says it back as often as you like.
    #[capability(name = "echo.say", version = 2, access = open)]
    pub async fn say_times(&self, request: SayTimes, call: &Call<Self>) -> Result<Said, EchoRefusal> {
        said(request.text.repeat(request.times.into()), call)
    }

    /// Says it back in a low voice, to those whom the realm trusts.
    #[capability(version = 1)]
    pub async fn whisper(&self, request: Say, call: &Call<Self>) -> Result<Said, EchoRefusal> {
        said(request.text.to_lowercase(), call)
    }

    /// Says it back after three seconds: stop the service meanwhile, and see it answer.
    #[capability(version = 1, timeout = "5s", access = open)]
    pub async fn slow(&self, request: Say, call: &Call<Self>) -> Result<Said, EchoRefusal> {
        tokio::time::sleep(Duration::from_secs(3)).await;
        said(request.text, call)
    }
}

fn said(text: String, call: &Call<Echo>) -> Result<Said, EchoRefusal> {
    if text.is_empty() { Err(EchoRefusal::Silence) } else { Ok(Said { text, via: call.via().to_string() }) }
}

#[cfg(test)]
mod tests {
    use hecate_om::testing::messages_arrive;

    use super::*;

    #[test]
    fn every_message_arrives_as_it_was_sent() {
        messages_arrive(Echo::SAY);
        messages_arrive(Echo::SAY_TIMES);
        messages_arrive(Echo::WHISPER);
        messages_arrive(Echo::SLOW);
        assert_eq!(Echo::capabilities().len(), 4, "that is all of them");
    }
}
