//! Who provides what, remembered for a moment: asking costs a question to a station, and one for each
//! call would double them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::wire::{Wire, WireError};
use crate::node_id::NodeId;

/// How long providers are remembered.
pub(super) const FRESH: Duration = Duration::from_secs(5);
/// How long it is remembered that there are none.
pub(super) const MISSED: Duration = Duration::from_secs(1);
/// Of how many procedures.
const MOST: usize = 4096;

/// The providers of procedures.
#[derive(Default)]
pub(super) struct Candidates {
    known: Mutex<HashMap<Arc<str>, Arc<Slot>>>,
}

/// One procedure. Whoever asks while somebody asks already waits for that answer.
#[derive(Default)]
struct Slot(tokio::sync::Mutex<Option<Found>>);

struct Found {
    providers: Arc<[NodeId]>,
    at: Instant,
}

impl Found {
    fn lives(&self, at_most: Duration) -> bool {
        self.at.elapsed() < if self.providers.is_empty() { MISSED.min(at_most) } else { at_most }
    }
}

impl Candidates {
    /// Who provides `procedure`, as was known at most so long ago.
    pub(super) async fn of(
        &self,
        procedure: &Arc<str>,
        at_most: Duration,
        wire: &dyn Wire,
    ) -> Result<Arc<[NodeId]>, WireError> {
        let slot = self.slot(procedure);
        let mut found = slot.0.lock().await;
        if let Some(found) = &*found
            && found.lives(at_most)
        {
            return Ok(Arc::clone(&found.providers));
        }
        let providers: Arc<[NodeId]> = wire.providers(Arc::clone(procedure)).await?.into();
        *found = Some(Found { providers: Arc::clone(&providers), at: Instant::now() });
        Ok(providers)
    }

    fn slot(&self, procedure: &Arc<str>) -> Arc<Slot> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = known.get(procedure) {
            return Arc::clone(slot);
        }
        if known.len() >= MOST {
            known.retain(|_, slot| match slot.0.try_lock() {
                Ok(found) => found.as_ref().is_some_and(|found| found.lives(FRESH)),
                // Somebody asks right now.
                Err(_) => true,
            });
        }
        let slot = Arc::new(Slot::default());
        // Where all are in use this one is not remembered.
        if known.len() < MOST {
            known.insert(Arc::clone(procedure), Arc::clone(&slot));
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::balance::Outstanding;
    use super::super::wire::{Request, Talking, Wiring};
    use super::*;
    use crate::mesh::value::Value;

    /// Knows of one provider of each procedure but `a/none_v1`, and counts who asks.
    #[derive(Default)]
    struct Directory {
        asked: Arc<AtomicUsize>,
    }

    impl Wire for Directory {
        fn providers(&self, procedure: Arc<str>) -> Wiring<Vec<NodeId>> {
            let asked = Arc::clone(&self.asked);
            Box::pin(async move {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(10)).await;
                let found = &*procedure != "a/none_v1";
                Ok(found.then(|| NodeId::from_bytes([1; 32])).into_iter().collect())
            })
        }

        fn call(&self, _: Request, _: Outstanding) -> Wiring<Value> {
            Box::pin(async { Ok(Value::Null) })
        }

        fn open(&self, _: Request) -> Wiring<Talking> {
            Box::pin(async { Err(WireError::Broken("no streams".to_owned())) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn providers_are_asked_for_once_in_a_while_and_misses_sooner() {
        let (candidates, wire) = (Candidates::default(), Directory::default());
        let asked = Arc::clone(&wire.asked);
        let ask = async |procedure: &str| candidates.of(&procedure.into(), FRESH, &wire).await.unwrap().len();
        let all = tokio::join!(ask("a/b_v1"), ask("a/b_v1"), ask("a/b_v1"));
        assert_eq!((all, asked.load(Ordering::Relaxed)), ((1, 1, 1), 1), "they wait for one answer");
        tokio::time::advance(FRESH - Duration::from_millis(50)).await;
        ask("a/b_v1").await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::advance(Duration::from_millis(50)).await;
        ask("a/b_v1").await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);

        let begun = Instant::now();
        for _ in 0..100 {
            assert_eq!(ask("a/none_v1").await, 0);
        }
        assert_eq!((asked.load(Ordering::Relaxed), begun.elapsed()), (3, Duration::from_millis(10)));
        tokio::time::advance(MISSED).await;
        assert_eq!(ask("a/none_v1").await, 0);
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let (candidates, wire) = (Candidates::default(), Directory::default());
        let ask = async |number: usize| {
            let procedure: Arc<str> = format!("a/b{number}_v1").into();
            candidates.of(&procedure, FRESH, &wire).await.unwrap().len()
        };
        // Each takes ten milliseconds: the first are old when the last come.
        for number in 0..2 * MOST {
            assert_eq!(ask(number).await, 1);
        }
        let remembered = candidates.known.lock().unwrap().len();
        assert!(remembered <= MOST, "{remembered}");
    }
}
