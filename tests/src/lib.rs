//! The kit that the tests of this package share: a service with every bad habit, gates that hold its
//! handlers, processes that run it, and sockets that hide nothing.

pub mod crowd;
pub mod gate;
mod gauge;
pub mod lab;
pub mod process;
mod seed;
pub mod stage;
pub mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use crowd::Crowd;
pub use gate::Gate;
pub use gauge::Latencies;
pub use lab::Lab;
pub use process::{Launch, Process};
pub use seed::Seed;
pub use stage::Stage;
pub use wire::{Answer, Wire};

/// How long a test waits for what must come. Far longer than it takes: only a failure waits it out.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `look` finds something.
///
/// # Panics
/// When it does not within [`PATIENCE`].
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look).0
}

/// Waits until `look` finds something, and tells how long that took.
///
/// # Panics
/// When it does not find it in that time.
pub fn within<T>(longest: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> (T, Duration) {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return (found, begun.elapsed());
        }
        assert!(begun.elapsed() < longest, "not within {longest:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Lets this process, and those it starts, open as many files as the system allows; returns how many.
pub fn allow_many_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const ENOUGH: u64 = 65_536;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Only root may have more than that.
    let more = Rlimit { current: Some(ENOUGH), maximum: Some(ENOUGH) };
    if maximum.is_some_and(|maximum| maximum < ENOUGH) && setrlimit(Resource::Nofile, more).is_ok() {
        return usize::try_from(ENOUGH).unwrap();
    }
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    usize::try_from(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)).unwrap_or(usize::MAX)
}

/// How many files this process may open, and nobody else in it who needs thousands.
///
/// Tests run side by side in one process; two that take half of its files each would starve.
pub struct ManyFiles {
    pub limit: usize,
    _turn: MutexGuard<'static, ()>,
}

impl ManyFiles {
    /// Waits for its turn.
    pub fn wait() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self { limit: allow_many_files(), _turn: turn }
    }
}

/// Runs a test that is asynchronous.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
