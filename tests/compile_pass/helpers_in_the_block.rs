//! Constants and other methods may stand in the block; health may be sync.

#![deny(warnings)]

use std::sync::atomic::{AtomicU64, Ordering};

use hecate_om::prelude::*;

struct Counter {
    count: AtomicU64,
}

/// Counts.
#[hecate_service(name = "hecate-counter")]
impl Counter {
    /// A constant of its own.
    pub const LIMIT: u64 = 10;

    async fn start(_context: Context<Self>) -> std::result::Result<Self, std::io::Error> {
        Ok(Self::new())
    }

    async fn stop(&self) {
        self.reset();
    }

    fn health(&self) -> Health {
        if self.next() < Self::LIMIT { Health::Ok } else { Health::degraded("full") }
    }

    fn new() -> Self {
        Self { count: AtomicU64::new(0) }
    }

    const fn limit() -> u64 {
        Self::LIMIT
    }

    fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    fn reset(&self) {
        self.count.store(0, Ordering::Relaxed);
    }

    fn each<'a, T>(&'a self, items: &'a [T]) -> impl Iterator<Item = (u64, &'a T)> + use<'a, T> {
        items.iter().map(|item| (self.next(), item))
    }

    /// Counts one on.
    #[capability(version = 1)]
    async fn tick(&self) -> Result<()> {
        self.next();
        Ok(())
    }
}

fn main() {
    assert_eq!(Counter::limit(), 10);
    assert_eq!(Counter::new().each(&["a", "b"]).count(), 2);
    let _ = hecate_om::run::<Counter>;
}
