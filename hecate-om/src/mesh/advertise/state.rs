//! How one advertisement stands, as health tells it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

/// How one advertisement stands.
pub(crate) struct Standing {
    state: Mutex<State>,
    /// Counts when it is found from now on, or not any more.
    changes: Arc<watch::Sender<u64>>,
}

struct State {
    /// When the mesh last said that it has it.
    last_success: Option<Instant>,
    is_advertised: bool,
    is_withdrawn: bool,
    failure: Option<Failure>,
}

/// What failed, and since when nothing but that happens.
#[derive(Clone)]
struct Failure {
    cause: String,
    since: Instant,
    /// A station has it, and who looks for it does not find it.
    is_unfound: bool,
}

/// How one advertisement stands, for `/health` and `/info`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Shown {
    pub(crate) procedure: String,
    pub(crate) is_advertised: bool,
    /// How long ago the mesh last said that it has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) age_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// For how long it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failing_ms: Option<u64>,
}

impl Standing {
    pub(super) fn new(changes: Arc<watch::Sender<u64>>) -> Self {
        let state = State { last_success: None, is_advertised: false, is_withdrawn: false, failure: None };
        Self { state: Mutex::new(state), changes }
    }

    fn is_now(&self, state: &mut State, is_advertised: bool) {
        if std::mem::replace(&mut state.is_advertised, is_advertised) != is_advertised {
            self.changes.send_modify(|changes| *changes += 1);
        }
    }

    /// No link is up, of which another check tells.
    pub(super) fn unlinked(&self) {
        let mut state = self.state();
        // Whether it is found is another question on other links.
        state.failure.take_if(|failure| failure.is_unfound);
        self.is_now(&mut state, false);
    }

    /// A station has it. What was not found is so until it is: a station that takes it again and again, and
    /// gives it to nobody, would look well for ever.
    pub(super) fn acknowledged(&self) {
        let state = self.state();
        if !state.failure.as_ref().is_some_and(|failure| failure.is_unfound) {
            self.succeeded(state);
        }
    }

    /// The mesh finds it.
    pub(super) fn confirmed(&self) {
        self.succeeded(self.state());
    }

    fn succeeded(&self, mut state: MutexGuard<'_, State>) {
        if state.is_withdrawn {
            return;
        }
        state.last_success = Some(Instant::now());
        state.failure = None;
        self.is_now(&mut state, true);
    }

    /// No station has it.
    pub(super) fn failed(&self, cause: String) {
        self.fails(cause, false);
    }

    /// The mesh does not find it, or nobody knows.
    pub(super) fn unfound(&self, cause: String) {
        self.fails(cause, true);
    }

    fn fails(&self, cause: String, is_unfound: bool) {
        let mut state = self.state();
        // What is taken back is not missed.
        if state.is_withdrawn {
            return;
        }
        self.is_now(&mut state, false);
        let before = state.failure.take();
        let was_unfound = before.as_ref().is_some_and(|failure| failure.is_unfound);
        let since = before.map_or_else(Instant::now, |failure| failure.since);
        state.failure = Some(Failure { cause, since, is_unfound: is_unfound || was_unfound });
    }

    /// It is taken back.
    pub(super) fn withdrawn(&self) {
        let mut state = self.state();
        state.is_withdrawn = true;
        self.is_now(&mut state, false);
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        self.state().is_withdrawn
    }

    pub(super) fn is_advertised(&self) -> bool {
        self.state().is_advertised
    }

    pub(super) fn shown(&self, procedure: &str, now: Instant) -> Shown {
        let state = self.state();
        let past = |at: Instant| millis(now.saturating_duration_since(at));
        Shown {
            procedure: procedure.to_owned(),
            is_advertised: state.is_advertised,
            age_ms: state.last_success.map(past),
            error: state.failure.as_ref().map(|failure| failure.cause.clone()),
            failing_ms: state.failure.as_ref().map(|failure| past(failure.since)),
        }
    }

    /// The state; nothing that is done under the lock can leave it half-done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_from_its_first_time_until_something_succeeds() {
        let standing = Standing::new(Arc::default());
        standing.failed("no".to_owned());
        let first = standing.state().failure.as_ref().unwrap().since;
        standing.failed("still no".to_owned());
        let Failure { cause, since, .. } = standing.state().failure.clone().unwrap();
        assert_eq!((cause.as_str(), since), ("still no", first));
        assert!(!standing.is_advertised());
        standing.acknowledged();
        let shown = standing.shown("acme/x_v1", Instant::now());
        assert!(shown.is_advertised && shown.error.is_none() && shown.age_ms.is_some());
        standing.failed("lost".to_owned());
        assert!(standing.state().failure.as_ref().unwrap().since >= first);
        assert!(standing.shown("acme/x_v1", Instant::now()).age_ms.is_some(), "the last success is not forgotten");
    }

    /// It is served anew each time, and acknowledged each time.
    #[test]
    fn what_is_acknowledged_and_never_found_is_missed_from_the_first_time_on() {
        let standing = Standing::new(Arc::default());
        standing.acknowledged();
        assert!(standing.is_advertised());
        standing.unfound("the mesh does not find it".to_owned());
        let first = standing.state().failure.as_ref().unwrap().since;
        standing.acknowledged();
        standing.failed("refused meanwhile".to_owned());
        standing.acknowledged();
        assert!(!standing.is_advertised());
        assert_eq!(standing.state().failure.as_ref().unwrap().since, first);
        standing.confirmed();
        assert!(standing.is_advertised() && standing.shown("acme/x_v1", Instant::now()).error.is_none());
        standing.unfound("the mesh does not find it".to_owned());
        standing.unlinked();
        standing.acknowledged();
        assert!(standing.is_advertised(), "what another link did not find is no news");
    }

    #[test]
    fn what_was_taken_back_stays_so_whatever_comes_late() {
        let standing = Standing::new(Arc::default());
        standing.acknowledged();
        standing.withdrawn();
        standing.acknowledged();
        assert!(!standing.is_advertised());
        standing.unfound("the mesh does not find it".to_owned());
        assert_eq!(standing.shown("acme/x_v1", Instant::now()).error, None);
    }
}
