//! A ferry that takes eight at once, and a quay that sends it more than that, here or over the mesh. `FERRY` tells
//! which one runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hecate_om::prelude::*;
use hecate_om_tests::crowd;

/// How many are on their way, and were at most.
#[derive(Default)]
struct Ferry {
    crossing: AtomicUsize,
    most: AtomicUsize,
    crossed: AtomicUsize,
}

/// How to cross: waiting at a gate, where there is one, and then for so long.
#[message]
#[derive(Clone)]
struct Fare {
    #[serde(default)]
    gate: Option<String>,
    #[serde(default)]
    millis: u64,
}

/// What the ferry has done.
#[message]
struct Log {
    most: usize,
    crossed: usize,
}

/// Takes eight at once.
#[hecate_service(name = "hecate-ferry")]
impl Ferry {
    /// Crosses.
    #[capability(
        version = 1,
        access = open,
        timeout = "600s",
        limits(concurrency = 8, per_caller = "1000000/1s", total = "1000000/1s")
    )]
    async fn cross(&self, fare: Fare) -> Result<()> {
        let crossing = self.crossing.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(crossing, Ordering::SeqCst);
        if let Some(gate) = fare.gate {
            crowd::join(gate).await;
        }
        tokio::time::sleep(Duration::from_millis(fare.millis)).await;
        self.crossed.fetch_add(1, Ordering::SeqCst);
        self.crossing.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }

    /// What it has done so far.
    #[capability(version = 1)]
    async fn log(&self) -> Result<Log> {
        Ok(Log { most: self.most.load(Ordering::SeqCst), crossed: self.crossed.load(Ordering::SeqCst) })
    }
}

/// What came of all that were sent.
#[message]
#[derive(Clone, Default)]
struct Told {
    sent: usize,
    answered: usize,
    /// Refused as overloaded, to come again in a second.
    refused: usize,
    /// Whatever else, of which the last is told.
    failed: usize,
    last: Option<String>,
}

struct Quay {
    context: Context<Self>,
    told: Arc<Mutex<Told>>,
}

/// Whom to send.
#[message]
struct Passengers {
    count: usize,
    fare: Fare,
}

/// Sends passengers.
#[hecate_service(name = "hecate-quay", uses(Ferry))]
impl Quay {
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        Ok(Self { context, told: Arc::default() })
    }

    /// Sends all of them at once, and waits for none.
    #[capability(version = 1)]
    async fn send(&self, passengers: Passengers) -> Result<()> {
        for _ in 0..passengers.count {
            let (context, told, fare) = (self.context.clone(), Arc::clone(&self.told), passengers.fare.clone());
            noted(&told, |told| told.sent += 1);
            tokio::spawn(async move {
                let came = Ferry::CROSS.call(&context, fare).timeout(Duration::from_secs(600)).await;
                noted(&told, |told| told.note(came));
            });
        }
        Ok(())
    }

    /// What came of them so far.
    #[capability(version = 1)]
    async fn told(&self) -> Result<Told> {
        Ok(self.told.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn noted(told: &Mutex<Told>, note: impl FnOnce(&mut Told)) {
    note(&mut told.lock().unwrap_or_else(PoisonError::into_inner));
}

impl Told {
    fn note(&mut self, came: Result<(), CallError>) {
        let error = match came {
            Ok(()) => return self.answered += 1,
            Err(error) => error,
        };
        let refusal = error.refusal();
        let after = refusal.and_then(|refusal| refusal.retry_after());
        if error.code() == Some("overloaded") && error.is_retryable() && after == Some(Duration::from_secs(1)) {
            self.refused += 1;
        } else {
            self.failed += 1;
            self.last = Some(error.to_string());
        }
    }
}

fn main() -> ExitCode {
    match std::env::var("FERRY").as_deref() {
        Ok("quay") => hecate_om::run::<Quay>(),
        _ => hecate_om::run::<Ferry>(),
    }
}
