//! What a service gets that calls another one on its box.

use std::time::Duration;

use hecate_om::prelude::*;
use hecate_om::testing::{self, Setup, TestService, block_on};
use hecate_om::{Reference, Uses};

#[message]
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    text: String,
}

#[derive(Refusal)]
pub enum SayRefusal {
    /// Nothing to say.
    Nothing,
}

#[derive(Default)]
pub struct Echo;

#[hecate_service(name = "hecate-echo")]
impl Echo {
    /// Says what it is told.
    #[capability(version = 1)]
    pub async fn say(&self, request: Text) -> Result<Text, SayRefusal> {
        if request.text.is_empty() { Err(SayRefusal::Nothing) } else { Ok(request) }
    }

    /// Tells of the call.
    #[capability(version = 1)]
    pub async fn whence(&self, call: &Call<Self>) -> Result<Text> {
        Ok(Text { text: format!("{} {}", call.via(), call.trace().trace_id()) })
    }

    /// Takes longer than anybody waits.
    #[capability(version = 1, timeout = "1s")]
    pub async fn ponder(&self) -> Result<()> {
        std::future::pending().await
    }
}

pub struct Parrot {
    context: Context<Self>,
}

impl Uses<Echo> for Parrot {}

#[hecate_service(name = "hecate-parrot")]
impl Parrot {
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        Ok(Self { context })
    }

    /// Repeats what the echo says.
    #[capability(version = 1)]
    pub async fn repeat(&self, request: Text, call: &Call<Self>) -> Result<Text, CallError> {
        let said = Echo::SAY.call(call, request).detailed().await?;
        Ok(Text { text: format!("{} via {}", said.reply.text, said.via) })
    }

    /// The same outside of a call.
    #[capability(version = 1)]
    pub async fn mumble(&self, request: Text) -> Result<Text, CallError> {
        Echo::SAY.call(&self.context, request).await
    }

    /// Whether the echo sees the trace of this call.
    #[capability(version = 1)]
    pub async fn trace(&self, call: &Call<Self>) -> Result<Text, CallError> {
        let seen = Echo::WHENCE.call(call, ()).await?.text;
        let own = call.trace().trace_id().to_string();
        Ok(Text { text: seen.replace(&own, "the same trace") })
    }

    /// Waits for the echo, a moment.
    #[capability(version = 1)]
    pub async fn hurry(&self, call: &Call<Self>) -> Result<(), CallError> {
        Echo::PONDER.call(call, ()).timeout(Duration::from_millis(50)).await
    }

    /// Calls itself by name, and what it does not declare.
    #[capability(version = 1)]
    pub async fn refer(&self, request: Text, call: &Call<Self>) -> Result<Text, CallError> {
        let Ok(reference) = Reference::new(&request.text, 1) else { return Ok(Text { text: "no name".into() }) };
        reference.call::<Text, Text>(call, Text { text: "hello".into() }).await
    }
}

fn text(text: &str) -> Text {
    Text { text: text.to_owned() }
}

async fn both() -> (TestService<Echo>, TestService<Parrot>) {
    let echo = testing::start::<Echo>().await.unwrap();
    let parrot = Setup::<Parrot>::new().beside(&echo).start().await.unwrap();
    (echo, parrot)
}

#[test]
fn a_service_calls_another_one_on_its_box() {
    block_on(async {
        let (echo, parrot) = both().await;
        let said = parrot.call(Parrot::REPEAT, text("hello")).await.unwrap().text;
        assert!(said.starts_with("hello via "), "{said}");
        assert_eq!(parrot.call(Parrot::MUMBLE, text("hello")).await.unwrap(), text("hello"));
        let seen = parrot.call(Parrot::TRACE, ()).await.unwrap().text;
        assert!(seen.ends_with(" the same trace"), "{seen}");

        let refused = parrot.call(Parrot::REPEAT, text("")).await.unwrap_err();
        let refusal = refused.refusal().unwrap();
        assert_eq!((refusal.code(), refusal.message()), ("nothing", "Nothing to say."));

        let late = parrot.call(Parrot::HURRY, ()).await.unwrap_err();
        assert_eq!(late.code(), Some("unavailable"));
        let told = late.to_string();
        assert!(told.contains("`hecate-echo/echo.ponder@1` did not answer within "), "{told}");

        let undeclared = parrot.call(Parrot::REFER, text("hecate-echo/echo.shout")).await;
        assert!(undeclared.is_err());
        assert_eq!(parrot.call(Parrot::REFER, text("parrot.mumble")).await.unwrap(), text("hello"));
        drop(echo);
    });
}

#[test]
fn a_provider_that_went_is_missed_by_name_and_found_when_it_is_back() {
    block_on(async {
        let (echo, parrot) = both().await;
        assert!(parrot.call(Parrot::MUMBLE, text("hello")).await.is_ok());
        // The one on another box is none of its business.
        let elsewhere = testing::start::<Echo>().await.unwrap();
        assert_eq!(echo.stop().await, 0);
        for _ in 0..3 {
            let missed = parrot.call(Parrot::MUMBLE, text("hello")).await.unwrap_err();
            assert_eq!(missed.code(), Some("unavailable"));
            assert!(missed.is_retryable());
            assert!(missed.to_string().contains("nobody provides `hecate-echo/echo.say@1` on this box"), "{missed}");
        }
        let back = Setup::<Echo>::new().beside(&parrot).start().await.unwrap();
        assert_eq!(parrot.call(Parrot::MUMBLE, text("hello")).await.unwrap(), text("hello"));
        drop((elsewhere, back));
    });
}
