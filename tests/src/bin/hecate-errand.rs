//! A service that uses all of its surroundings. What it does with them, its environment tells.

use std::io::Write;
use std::time::Duration;

use hecate_om::prelude::*;
use hecate_om_tests::gate;

struct Errand {
    secret: Option<Secret>,
}

#[message]
struct Guess {
    word: String,
}

#[derive(Refusal)]
enum GuessRefusal {
    /// That is not the word.
    Wrong,
}

#[message]
struct At {
    gate: String,
}

/// Runs errands.
#[hecate_service(name = "hecate-errand")]
impl Errand {
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        let secret = match variable("ERRAND_SECRET") {
            name if name.is_empty() => None,
            name => Some(context.secret(&name)?),
        };
        journal(&format!("{context:?} {secret:?}"));
        if !variable("ERRAND_DATA").is_empty() {
            let mine = context.data_dir()?;
            assert_eq!(mine, context.clone().data_dir()?, "the same for all who ask");
            std::fs::write(mine.join("note"), "kept")?;
        }
        for task in variable("ERRAND_TASKS").split_whitespace() {
            begin(&context, task)?;
        }
        if let Some((name, impact)) = variable("ERRAND_CHECK").split_once(':') {
            let impact = match impact {
                "info" => Impact::Info,
                "critical" => Impact::Critical,
                _ => Impact::Degrading,
            };
            context.check(name, Duration::from_secs(1), impact, || async { Health::down("the bridge is closed") })?;
        }
        match variable("ERRAND_START").split_once(':') {
            Some(("fail", _)) => return Err(std::io::Error::other("it cannot be done").into()),
            Some(("panic", _)) => panic!("it cannot be done"),
            Some(("wait", path)) => gate::pass(path).await,
            _ => {}
        }
        Ok(Self { secret })
    }

    async fn stop(&self) {
        journal("stop");
    }

    /// Says whether that is the word.
    #[capability(version = 1)]
    async fn guess(&self, request: Guess) -> Result<(), GuessRefusal> {
        let is_right = self.secret.as_ref().is_some_and(|secret| secret.matches(request.word));
        if is_right { Ok(()) } else { Err(GuessRefusal::Wrong) }
    }

    /// Waits at a gate.
    #[capability(version = 1)]
    async fn hold(&self, request: At) -> Result<()> {
        gate::pass(request.gate).await;
        journal("held");
        Ok(())
    }
}

/// Begins the task of that name.
fn begin(context: &Context<Errand>, name: &str) -> Result<(), StartError> {
    match name {
        "polite" => {
            let own = context.clone();
            context.spawn(name, move || {
                let context = own.clone();
                journal("polite began");
                async move {
                    context.draining().await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    journal("polite ended");
                }
            })?;
        }
        "deaf" => context.spawn(name, || async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })?,
        "failing" => context.spawn(name, || async { Err("there is no such street") })?,
        "panicking" => context.spawn(name, || async { panic!("lost the way") })?,
        "done" => context.spawn(name, async || {})?,
        other => context.spawn(other, || async {})?,
    }
    Ok(())
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn journal(what: &str) {
    let path = std::env::var_os("LAB_JOURNAL").unwrap();
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{what}").unwrap();
}

fn main() -> ExitCode {
    hecate_om::run::<Errand>()
}
