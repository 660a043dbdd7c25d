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

/// How far to count.
#[message]
pub struct CountTo {
    /// The last number.
    pub to: u32,
    /// How long to rest before each number, in milliseconds.
    #[serde(default)]
    pub rest_ms: u32,
}

/// A number.
#[message]
pub struct Number {
    /// Which.
    pub number: i64,
}

/// What numbers come to.
#[message]
pub struct Sum {
    /// All of them together.
    pub sum: i64,
    /// How many they were.
    pub numbers: u64,
}

/// Why nothing is said back.
#[derive(Refusal)]
pub enum EchoRefusal {
    /// There is nothing to say.
    Silence,
    /// The sum is larger than a number can be.
    TooLarge,
    /// The numbers ended in the middle.
    #[refusal(transparent)]
    Cut(CapabilityError),
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

    /// Counts from 1, number by number.
    #[capability(version = 1, access = open)]
    pub async fn count(&self, request: CountTo) -> Result<ReplyStream<Number>, EchoRefusal> {
        if request.to == 0 {
            return Err(EchoRefusal::Silence);
        }
        let rest = Duration::from_millis(request.rest_ms.into());
        Ok(ReplyStream::produce(async move |numbers| {
            for number in 1..=i64::from(request.to) {
                if !rest.is_zero() {
                    tokio::time::sleep(rest).await;
                }
                numbers.send(Number { number }).await;
            }
            Ok::<_, EchoRefusal>(())
        }))
    }

    /// Adds up the numbers that it is sent.
    #[capability(version = 1, access = open)]
    pub async fn sum(&self, mut numbers: RequestStream<Number>) -> Result<Sum, EchoRefusal> {
        let mut total = Sum { sum: 0, numbers: 0 };
        while let Some(number) = numbers.next().await {
            total.sum = total.sum.checked_add(number?.number).ok_or(EchoRefusal::TooLarge)?;
            total.numbers += 1;
        }
        Ok(total)
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
        messages_arrive(Echo::COUNT);
        messages_arrive(Echo::SUM);
        assert_eq!(Echo::capabilities().len(), 6, "that is all of them");
    }
}
