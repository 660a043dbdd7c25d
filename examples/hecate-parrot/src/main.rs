//! Repeats what the echo says: a service that calls another one, wherever that is.

use std::time::Duration;

use hecate_echo::{Echo, Say};
use hecate_om::prelude::*;

struct Parrot;

/// Something to repeat.
#[message]
struct Repeat {
    text: String,
}

/// What was repeated, and by which way the echo was reached.
#[message]
struct Repeated {
    text: String,
    via: String,
}

#[derive(Refusal)]
enum RepeatRefusal {
    #[refusal(transparent)]
    Call(CallError),
}

/// Repeats what the echo says.
#[hecate_service(name = "hecate-parrot", uses(Echo))]
impl Parrot {
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        let own = context.clone();
        context.spawn("greeting", move || greet(own.clone()))?;
        Ok(Self)
    }

    /// Has the echo say it, and repeats that.
    #[capability(version = 1, access = open)]
    async fn repeat(&self, request: Repeat, call: &Call<Self>) -> Result<Repeated, RepeatRefusal> {
        let said = Echo::SAY.call(call, Say { text: request.text }).await?;
        Ok(Repeated { text: said.text, via: said.via })
    }
}

/// Talks to the echo once, as soon as there is one.
async fn greet(context: Context<Parrot>) -> Result<(), CallError> {
    loop {
        let say = Say { text: "Polly wants a cracker".to_owned() };
        match Echo::SAY.call(&context, say).await {
            Ok(said) => {
                println!("  the echo said `{}`, via {}", said.text, said.via);
                return Ok(());
            }
            Err(error) if error.is_retryable() => {
                let ends = tokio::time::timeout(Duration::from_millis(500), context.draining()).await.is_ok();
                if ends {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn main() -> ExitCode {
    hecate_om::run::<Parrot>()
}

#[cfg(test)]
mod tests {
    use hecate_om::testing::messages_arrive;

    use super::*;

    #[test]
    fn every_message_arrives_as_it_was_sent() {
        messages_arrive(Parrot::REPEAT);
        assert_eq!(Parrot::capabilities().len(), 1, "that is all of them");
    }
}
