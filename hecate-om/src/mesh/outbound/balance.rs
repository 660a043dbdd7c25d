//! Which of several providers gets a call: of two that are drawn, the one with less to do; and none that
//! just failed, as long as there is another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::node_id::NodeId;
use crate::random;

/// How long a provider is avoided that failed once; it doubles with each further failure.
const AVOIDED: Duration = Duration::from_secs(3);
/// The longest that one is avoided.
const LONGEST: Duration = Duration::from_secs(30);
/// Of how many providers failures are remembered.
const MOST: usize = 4096;

/// What is known of providers.
#[derive(Default)]
pub(super) struct Balance {
    providers: Mutex<HashMap<NodeId, Standing>>,
}

#[derive(Default)]
struct Standing {
    outstanding: usize,
    /// How often it failed since it last answered.
    failures: u32,
    avoided_until: Option<Instant>,
}

impl Standing {
    fn is_avoided(&self, now: Instant) -> bool {
        self.avoided_until.is_some_and(|until| now < until)
    }
}

/// A call that a provider has to do. It counts until this is dropped.
pub(super) struct Outstanding {
    balance: Arc<Balance>,
    provider: NodeId,
}

impl Balance {
    /// One of the `known` that was not `tried`. Where all are to be avoided, the one that is so for the
    /// shortest time yet: it may be back.
    pub(super) fn choose(&self, known: &[NodeId], tried: &[NodeId]) -> Option<NodeId> {
        let (providers, now) = (self.lock(), Instant::now());
        let open = |node: &&NodeId| !tried.contains(node);
        let avoided = |node: &NodeId| providers.get(node).is_some_and(|standing| standing.is_avoided(now));
        let good: Vec<NodeId> = known.iter().filter(open).copied().filter(|node| !avoided(node)).collect();
        match good.as_slice() {
            [] => {
                let until = |node: &&NodeId| providers.get(node).and_then(|standing| standing.avoided_until);
                known.iter().filter(open).min_by_key(until).copied()
            }
            [one] => Some(*one),
            several => {
                let (one, other) = two_of(several);
                let load = |node| providers.get(&node).map_or(0, |standing: &Standing| standing.outstanding);
                Some(if load(other) < load(one) { other } else { one })
            }
        }
    }

    /// Counts a call of `provider`.
    pub(super) fn begin(self: &Arc<Self>, provider: NodeId) -> Outstanding {
        self.lock().entry(provider).or_default().outstanding += 1;
        Outstanding { balance: Arc::clone(self), provider }
    }

    /// It answered, whatever it said.
    pub(super) fn answered(&self, provider: NodeId) {
        if let Some(standing) = self.lock().get_mut(&provider) {
            standing.failures = 0;
            standing.avoided_until = None;
        }
    }

    /// It did not answer: others come first for a while.
    pub(super) fn failed(&self, provider: NodeId) {
        let mut providers = self.lock();
        if providers.len() >= MOST {
            let now = Instant::now();
            providers.retain(|_, standing| standing.outstanding > 0 || standing.is_avoided(now));
        }
        if providers.len() >= MOST && !providers.contains_key(&provider) {
            return;
        }
        let standing = providers.entry(provider).or_default();
        let time = LONGEST.min(AVOIDED * 2_u32.saturating_pow(standing.failures.min(8)));
        standing.failures = standing.failures.saturating_add(1);
        // Out of step with the others that saw it fail.
        standing.avoided_until = Some(Instant::now() + random::about(time, 25));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, Standing>> {
        self.providers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        let mut providers = self.balance.lock();
        if let Some(standing) = providers.get_mut(&self.provider) {
            standing.outstanding -= 1;
            if standing.outstanding == 0 && standing.failures == 0 {
                providers.remove(&self.provider);
            }
        }
    }
}

/// Two different ones of at least two.
fn two_of(nodes: &[NodeId]) -> (NodeId, NodeId) {
    let (drawn, count) = (random::number(), nodes.len() as u64);
    let one = drawn % count;
    let other = (one + 1 + (drawn >> 32) % (count - 1)) % count;
    (nodes[one as usize], nodes[other as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: u8) -> Vec<NodeId> {
        (1..=count).map(|number| NodeId::from_bytes([number; 32])).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn providers_share_the_load() {
        for count in [2, 3, 5] {
            let (balance, nodes) = (Arc::new(Balance::default()), nodes(count));
            let mut picked: HashMap<NodeId, usize> = HashMap::new();
            for _ in 0..1000 {
                *picked.entry(balance.choose(&nodes, &[]).unwrap()).or_default() += 1;
            }
            let fair = 1000 / usize::from(count);
            // Five standard deviations are less than a tenth of the calls.
            assert!(nodes.iter().all(|node| picked[node].abs_diff(fair) < 100), "{picked:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_busy_gets_less() {
        let (balance, nodes) = (Arc::new(Balance::default()), nodes(3));
        let _busy: Vec<_> = (0..10).map(|_| balance.begin(nodes[0])).collect();
        let picked: Vec<NodeId> = (0..1000).filter_map(|_| balance.choose(&nodes, &[])).collect();
        assert_eq!(picked.len(), 1000);
        assert!(!picked.contains(&nodes[0]), "of any two it is never the one with less to do");
        // All calls run for ever: they are spread evenly to the end.
        let fresh = Arc::new(Balance::default());
        let running: Vec<_> = (0..900).map(|_| fresh.begin(fresh.choose(&nodes, &[]).unwrap())).collect();
        for node in &nodes {
            let of_it = running.iter().filter(|call| call.provider == *node).count();
            assert!(of_it.abs_diff(300) <= 5, "{of_it}");
        }
        drop(running);
        assert!(fresh.lock().is_empty(), "what is over is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_failed_is_avoided_for_a_while_and_longer_each_time() {
        let (balance, nodes) = (Arc::new(Balance::default()), nodes(2));
        let dead = nodes[0];
        for (least, most) in [(2, 4), (4, 8), (9, 15)] {
            balance.failed(dead);
            let begun = Instant::now();
            while balance.choose(&nodes, &[]) != Some(dead) {
                // A fair draw misses it a hundred times in a row once in ten to the thirtieth.
                let drawn = (0..100).any(|_| balance.choose(&nodes, &[]) == Some(dead));
                if drawn {
                    break;
                }
                tokio::time::advance(Duration::from_millis(100)).await;
            }
            let took = begun.elapsed().as_secs();
            assert!((least..=most).contains(&took), "{took} s");
        }
        // Better one that failed than none.
        balance.failed(dead);
        assert_eq!(balance.choose(&nodes, &nodes[1..]), Some(dead));
        assert_eq!(balance.choose(&nodes, &nodes), None);
        balance.answered(dead);
        assert!((0..100).any(|_| balance.choose(&nodes, &[]) == Some(dead)));
    }
}
