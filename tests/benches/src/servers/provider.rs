//! The service that is called while it is overloaded and soaked: capabilities of every kind, and of every reason to
//! refuse.

use std::time::Duration;

use hecate_om::prelude::*;

/// Is called.
#[derive(Default)]
pub(crate) struct Provider;

/// Something to say.
#[message]
pub(crate) struct Word {
    pub(crate) text: String,
}

/// For how long to hold a place.
#[message]
pub(crate) struct Hold {
    pub(crate) millis: u64,
}

/// How far to count.
#[message]
pub(crate) struct Upto {
    pub(crate) to: u64,
}

/// One of many.
#[message]
pub(crate) struct Number {
    pub(crate) value: u64,
}

/// What many come to.
#[message]
pub(crate) struct Sum {
    pub(crate) total: u64,
}

/// Why nothing was said.
#[derive(Refusal)]
pub(crate) enum SayRefusal {
    /// There is nothing to say.
    Silence,
}

/// Is called.
#[hecate_service(name = "hecate-provider")]
impl Provider {
    /// Says it back.
    #[capability(version = 1, access = open, limits(per_caller = "1000000/1s", total = "1000000/1s"))]
    pub(crate) async fn say(&self, word: Word) -> Result<Word, SayRefusal> {
        if word.text.is_empty() { Err(SayRefusal::Silence) } else { Ok(word) }
    }

    /// Takes a kilobyte.
    #[capability(
        version = 1,
        access = open,
        limits(payload = "1KiB", per_caller = "1000000/1s", total = "1000000/1s")
    )]
    pub(crate) async fn whisper(&self, word: Word) -> Result<Word> {
        Ok(word)
    }

    /// Is for those whom a node lets in that nobody is.
    #[capability(
        version = 1,
        access = issuer("0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f")
    )]
    pub(crate) async fn confide(&self, word: Word) -> Result<Word> {
        Ok(word)
    }

    /// Holds one of 32 places.
    #[capability(
        version = 1,
        access = open,
        timeout = "600s",
        limits(concurrency = 32, per_caller = "1000000/1s", total = "1000000/1s")
    )]
    pub(crate) async fn cross(&self, hold: Hold) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(hold.millis)).await;
        Ok(())
    }

    /// Holds one of four places.
    #[capability(
        version = 1,
        access = open,
        timeout = "600s",
        limits(concurrency = 4, per_caller = "1000000/1s", total = "1000000/1s")
    )]
    pub(crate) async fn ford(&self, hold: Hold) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(hold.millis)).await;
        Ok(())
    }

    /// Counts.
    #[capability(version = 1, access = open, limits(per_caller = "1000000/1s", total = "1000000/1s"))]
    pub(crate) async fn count(&self, upto: Upto) -> Result<ReplyStream<Number>> {
        Ok(ReplyStream::iter((1..=upto.to).map(|value| Number { value })))
    }

    /// Adds up.
    #[capability(version = 1, access = open, limits(per_caller = "1000000/1s", total = "1000000/1s"))]
    pub(crate) async fn add(&self, mut numbers: RequestStream<Number>) -> Result<Sum> {
        let mut total = 0;
        while let Some(number) = numbers.next().await {
            total += number?.value;
        }
        Ok(Sum { total })
    }

    /// How many tasks the workers have.
    #[capability(version = 1)]
    pub(crate) async fn tasks(&self) -> Result<Number> {
        Ok(Number { value: tokio::runtime::Handle::current().metrics().num_alive_tasks() as u64 })
    }
}
