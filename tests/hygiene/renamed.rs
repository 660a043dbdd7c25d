//! A service that knows the runtime crate by another name.

#![deny(warnings)]
#![forbid(unsafe_code)]

use om::{Call, Refusal, Result, capability, hecate_service, message, remote_service, settings};

/// Whom to greet.
#[message(crate = ::om)]
struct Greet {
    name: String,
    tone: Tone,
}

#[message(crate = ::om)]
#[derive(Clone, Copy)]
enum Tone {
    Soft,
    Loud,
}

#[derive(Refusal)]
#[refusal(crate = ::om)]
enum GreetRefusal {
    /// Nobody to greet.
    NoName,
    /// The tone is wrong.
    Tone { found: Tone },
}

/// How people are greeted.
#[settings(crate = ::om)]
struct GreeterSettings {
    /// What is said.
    #[serde(default)]
    greeting: String,
}

remote_service!(crate = ::om, Rag in "hecate-rag" { QUERY: "rag.query" = 1, Greet -> Greet });

struct Greeter {
    context: om::Context<Self>,
}

/// Greets people by name.
#[hecate_service(name = "hecate-greeter", settings = GreeterSettings, uses(Rag, "rag.query" = 1), crate = ::om)]
impl Greeter {
    async fn start(context: om::Context<Self>) -> Result<Self, om::StartError> {
        Ok(Self { context })
    }

    /// Greets one person.
    #[om::capability(version = 1, access = open, idempotent)]
    async fn greet(&self, request: Greet, _call: &Call<Self>) -> Result<Greet, GreetRefusal> {
        match request.tone {
            Tone::Soft if request.name.is_empty() => Err(GreetRefusal::NoName),
            Tone::Soft => Ok(request),
            Tone::Loud => Err(GreetRefusal::Tone { found: request.tone }),
        }
    }

    /// Greets without a word.
    #[capability(version = 1)]
    async fn nod(&self) -> Result<()> {
        assert!(self.context.settings().greeting.is_empty());
        Ok(())
    }
}

fn main() -> std::process::ExitCode {
    let _ = (Greeter::NOD, Rag::QUERY);
    om::run::<Greeter>()
}
