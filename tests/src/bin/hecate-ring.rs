//! Services that call each other over the mesh: `hecate-ring` is called, `hecate-asker` calls it and
//! tells everything that it knows of its call, and `hecate-stranger` calls it without having its types.
//! `RING` tells which one runs.

use std::io::Write;
use std::time::Duration;

use hecate_om::prelude::*;
use hecate_om::{Attempt, Reference};
use hecate_om_tests::gate;

#[derive(Default)]
struct Ring;

#[derive(Default)]
struct Asker;

#[derive(Default)]
struct Stranger;

/// What the ring is asked with.
#[message]
struct Word {
    /// A gate to wait at.
    gate: String,
}

/// What the ring saw of a call.
#[message]
struct Seen {
    /// Which instance of the ring.
    by: String,
    hops: u8,
    via: String,
    /// Who called; `caller` itself is a field of the mesh.
    by_whom: String,
    trace: String,
    left_ms: u64,
}

/// What to ask the ring.
#[message]
struct Ask {
    /// The capability, without its scope.
    what: String,
    #[serde(default)]
    gate: String,
    timeout_ms: Option<u64>,
    /// To be shown in place of its own.
    token: Option<String>,
    #[serde(default = "once")]
    times: u32,
}

/// What came of a call.
#[message]
#[derive(Default)]
struct Told {
    seen: Option<Seen>,
    code: Option<String>,
    error: Option<String>,
    is_retryable: bool,
    retry_after_ms: Option<u64>,
    attempts: Vec<String>,
    took_ms: u64,
    /// How many calls were answered before.
    answered: u32,
}

/// What to tell, line by line.
#[message]
struct Tale {
    /// Whether nobody between may read it.
    #[serde(default)]
    is_sealed: bool,
    lines: i64,
    /// Where to wait before the last line.
    #[serde(default)]
    gate: String,
    /// Whether the last line is lost.
    #[serde(default)]
    is_lost: bool,
}

#[message]
struct Line {
    /// Which instance of the ring tells it.
    by: String,
    number: i64,
}

/// How many lines came.
#[message]
struct Lines {
    count: i64,
}

#[derive(Refusal)]
enum TaleRefusal {
    /// There is nothing to tell.
    Nothing,
    /// The last line is lost.
    Lost,
}

/// What a service says that it takes.
#[message]
struct Limits {
    capabilities: Vec<serde_json::Value>,
}

/// What came of a tale.
#[message]
#[derive(Default)]
struct Heard {
    lines: i64,
    /// Who told the last of them.
    by: String,
    /// Whether it came to a good end.
    is_whole: bool,
    /// The node that told it.
    provider: Option<String>,
    told: Told,
}

#[derive(Refusal)]
enum RoundRefusal {
    #[refusal(transparent)]
    Call(CallError),
}

/// Is asked.
#[hecate_service(name = "hecate-ring", uses(Asker))]
impl Ring {
    /// Says who it is.
    #[capability(version = 1, idempotent, access = open)]
    async fn who(&self, _: Word, call: &Call<Self>) -> Result<Seen> {
        Ok(seen(call))
    }

    /// Waits at a gate; nobody knows what it does there, so it is not done twice.
    #[capability(version = 1, timeout = "60s", access = open)]
    async fn hold(&self, word: Word, call: &Call<Self>) -> Result<Seen> {
        journal("hold");
        gate::pass(word.gate).await;
        Ok(seen(call))
    }

    /// Waits at a gate, as often as you like.
    #[capability(version = 1, timeout = "60s", idempotent, access = open)]
    async fn hold_again(&self, word: Word, call: &Call<Self>) -> Result<Seen> {
        journal("hold");
        gate::pass(word.gate).await;
        Ok(seen(call))
    }

    /// Is for members of the realm.
    #[capability(version = 1)]
    async fn member(&self, _: Word, call: &Call<Self>) -> Result<Seen> {
        Ok(seen(call))
    }

    /// Is for those whom a node lets in that nobody is.
    #[capability(
        version = 1,
        access = issuer("0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f")
    )]
    async fn issued(&self, _: Word, call: &Call<Self>) -> Result<Seen> {
        Ok(seen(call))
    }

    /// Has the asker go on.
    #[capability(version = 1, access = open)]
    async fn round(&self, word: Word, call: &Call<Self>) -> Result<Seen, RoundRefusal> {
        journal(&format!("round {}", call.hops()));
        Ok(Asker::ROUND.call(call, word).await?)
    }

    /// Says who it is where nobody between can read it.
    #[capability(version = 1, access = open, confidential = required)]
    async fn whisper(&self, _: Word, call: &Call<Self>) -> Result<Seen> {
        journal("whisper");
        Ok(seen(call))
    }

    /// Tells a tale.
    #[capability(version = 1, timeout = "60s", access = open)]
    async fn tell(&self, tale: Tale) -> Result<ReplyStream<Line>, TaleRefusal> {
        tell(tale)
    }

    /// Tells a tale where nobody between can read it.
    #[capability(version = 1, timeout = "60s", access = open, confidential = required)]
    async fn tell_sealed(&self, tale: Tale) -> Result<ReplyStream<Line>, TaleRefusal> {
        journal("tell_sealed");
        tell(tale)
    }

    /// Counts the lines of a tale.
    #[capability(version = 1, access = open)]
    async fn hear(&self, mut lines: RequestStream<Line>) -> Result<Lines> {
        let mut count = 0;
        while let Some(line) = lines.next().await {
            line?;
            count += 1;
        }
        Ok(Lines { count })
    }
}

/// Asks.
#[hecate_service(name = "hecate-asker", uses(Ring))]
impl Asker {
    /// Asks the ring, and tells what came of it; the last, where it asks often.
    #[capability(version = 1, timeout = "60s")]
    async fn ask(&self, ask: Ask, call: &Call<Self>) -> Result<Told> {
        let capability = match ask.what.as_str() {
            "who" => Ring::WHO,
            "hold" => Ring::HOLD,
            "hold_again" => Ring::HOLD_AGAIN,
            "member" => Ring::MEMBER,
            "issued" => Ring::ISSUED,
            "whisper" => Ring::WHISPER,
            "round" => Ring::ROUND,
            other => return Err(CapabilityError::invalid_request(format!("the ring has no `{other}`"))),
        };
        tracing::info!("asks");
        let begun = std::time::Instant::now();
        let mut told = Told::default();
        for answered in 0..ask.times {
            let mut calling = capability.call(call, Word { gate: ask.gate.clone() });
            if let Some(timeout) = ask.timeout_ms {
                calling = calling.timeout(Duration::from_millis(timeout));
            }
            if let Some(token) = &ask.token {
                calling = calling.token(token.as_bytes());
            }
            told = match calling.detailed().await {
                Ok(said) => Told { seen: Some(said.reply), attempts: words(&said.attempts), ..Told::default() },
                Err(error) => Told::of(&error),
            };
            told.answered = answered + u32::from(told.error.is_none());
            if told.error.is_some() {
                break;
            }
        }
        told.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(told)
    }

    /// Has the ring tell a tale, and tells what came of it. The journal has each line.
    #[capability(version = 1, timeout = "120s")]
    async fn listen(&self, tale: Tale, call: &Call<Self>) -> Result<Heard> {
        let begun = std::time::Instant::now();
        let mut heard = Heard::default();
        let capability = if tale.is_sealed { Ring::TELL_SEALED } else { Ring::TELL };
        let error = match capability.stream(call, tale).await {
            Err(error) => Some(error),
            Ok(mut lines) => {
                heard.provider = lines.provider().map(|node| node.to_string());
                heard.told.attempts = words(lines.attempts());
                loop {
                    match lines.next().await {
                        Some(Ok(line)) => {
                            journal(&format!("line {}", line.number));
                            (heard.lines, heard.by) = (heard.lines + 1, line.by);
                        }
                        Some(Err(error)) => break Some(error),
                        None => break None,
                    }
                }
            }
        };
        heard.is_whole = error.is_none();
        if let Some(error) = error {
            heard.told = Told::of(&error);
        }
        heard.told.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(heard)
    }

    /// Has the ring go on.
    #[capability(version = 1, access = open)]
    async fn round(&self, word: Word, call: &Call<Self>) -> Result<Seen, RoundRefusal> {
        journal(&format!("round {}", call.hops()));
        Ok(Ring::ROUND.call(call, word).await?)
    }
}

/// Asks by name.
#[hecate_service(name = "hecate-stranger", uses("hecate-ring/ring.member" = 1, "hecate-ring/ring.get_limits" = 1))]
impl Stranger {
    /// Asks the ring, once.
    #[capability(version = 1)]
    async fn ask(&self, ask: Ask, call: &Call<Self>) -> Result<Told> {
        let member = Reference::new("hecate-ring/ring.member", 1).map_err(CapabilityError::internal)?;
        Ok(match member.call::<Word, Seen>(call, Word { gate: ask.gate }).await {
            Ok(seen) => Told { seen: Some(seen), ..Told::default() },
            Err(error) => Told::of(&error),
        })
    }

    /// Asks what the ring takes.
    #[capability(version = 1)]
    async fn limits(&self, call: &Call<Self>) -> Result<Limits, CallError> {
        Reference::new("hecate-ring/ring.get_limits", 1).unwrap().call(call, ()).await
    }
}

impl Told {
    fn of(error: &CallError) -> Self {
        Self {
            code: error.code().map(str::to_owned),
            is_retryable: error.is_retryable(),
            retry_after_ms: error
                .refusal()
                .and_then(CapabilityError::retry_after)
                .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            attempts: words(error.attempts()),
            error: Some(chain(error)),
            ..Self::default()
        }
    }
}

fn tell(tale: Tale) -> Result<ReplyStream<Line>, TaleRefusal> {
    if tale.lines == 0 {
        return Err(TaleRefusal::Nothing);
    }
    Ok(ReplyStream::produce(async move |sink| {
        for number in 1..=tale.lines {
            if number == tale.lines {
                if !tale.gate.is_empty() {
                    gate::pass(&tale.gate).await;
                }
                if tale.is_lost {
                    return Err(TaleRefusal::Lost);
                }
            }
            sink.send(Line { by: variable("RING_NAME"), number }).await;
        }
        Ok(())
    }))
}

fn once() -> u32 {
    1
}

fn words(attempts: &[Attempt]) -> Vec<String> {
    attempts.iter().map(ToString::to_string).collect()
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn seen(call: &Call<Ring>) -> Seen {
    tracing::info!("was asked");
    Seen {
        by: variable("RING_NAME"),
        hops: call.hops(),
        via: call.via().to_string(),
        by_whom: format!("{:?}", call.caller()),
        trace: call.trace().trace_id().to_string(),
        left_ms: u64::try_from(call.time_left().as_millis()).unwrap_or(u64::MAX),
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Notes what happened, for a test to count.
fn journal(what: &str) {
    let path = std::env::var_os("LAB_JOURNAL").unwrap();
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{what}").unwrap();
}

fn main() -> ExitCode {
    match variable("RING").as_str() {
        "asker" => hecate_om::run::<Asker>(),
        "stranger" => hecate_om::run::<Stranger>(),
        _ => hecate_om::run::<Ring>(),
    }
}
