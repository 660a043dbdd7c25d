//! How many workers sleep, and a bell for the first that wakes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::Notify;

/// The workers that sleep.
pub(super) struct Sleepers {
    asleep: AtomicUsize,
    /// Whether somebody waits for one to wake.
    awaited: AtomicBool,
    woken: Notify,
}

impl Sleepers {
    /// Those of the workers that `builder` will make.
    pub(super) fn of(builder: &mut Builder) -> Arc<Self> {
        let sleepers =
            Arc::new(Self { asleep: AtomicUsize::new(0), awaited: AtomicBool::new(false), woken: Notify::new() });
        let (parking, waking) = (Arc::clone(&sleepers), Arc::clone(&sleepers));
        builder.on_thread_park(move || {
            parking.asleep.fetch_add(1, Ordering::SeqCst);
        });
        builder.on_thread_unpark(move || {
            waking.asleep.fetch_sub(1, Ordering::SeqCst);
            // A worker wakes often and somebody waits seldom: nothing is written for nobody.
            if waking.awaited.load(Ordering::SeqCst) && waking.awaited.swap(false, Ordering::SeqCst) {
                waking.woken.notify_one();
            }
        });
        sleepers
    }

    pub(super) fn count(&self) -> usize {
        self.asleep.load(Ordering::SeqCst)
    }

    #[cfg(test)]
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::SeqCst)
    }

    /// Waits until fewer than `all` sleep, for at most `time`; says whether it came to that.
    pub(super) async fn until_one_wakes(&self, all: usize, time: Duration) -> bool {
        // Who rang for an earlier wait does not ring for this one.
        std::pin::pin!(self.woken.notified()).as_mut().enable();
        self.awaited.store(true, Ordering::SeqCst);
        // One that woke before this rings no bell.
        let woken = self.count() < all || tokio::time::timeout(time, self.woken.notified()).await.is_ok();
        self.awaited.store(false, Ordering::SeqCst);
        woken
    }
}
