//! What may still be sent to a peer, and what was taken of what it sent.

use tokio::sync::watch;

use super::WINDOW;

/// What may still be sent.
#[derive(Debug)]
pub(crate) struct Window(watch::Sender<Sent>);

#[derive(Debug, Clone, Copy)]
struct Sent {
    sent: u64,
    /// Up to where the peer lets it go; none for a peer that keeps no window.
    granted: Option<u64>,
    is_over: bool,
}

impl Window {
    /// Towards a peer that grants.
    pub(crate) fn kept() -> Self {
        Self::new(Some(WINDOW))
    }

    /// Towards one that does not.
    pub(crate) fn open() -> Self {
        Self::new(None)
    }

    fn new(granted: Option<u64>) -> Self {
        Self(watch::Sender::new(Sent { sent: 0, granted, is_over: false }))
    }

    /// The peer has taken so much since the beginning.
    pub(crate) fn taken(&self, total: u64) {
        self.0.send_if_modified(|state| match &mut state.granted {
            Some(granted) if *granted < total.saturating_add(WINDOW) => {
                *granted = total.saturating_add(WINDOW);
                true
            }
            _ => false,
        });
    }

    /// The peer keeps a window after all.
    pub(crate) fn keep(&self) {
        self.0.send_modify(|state| state.granted = state.granted.or(Some(WINDOW)));
    }

    /// The peer grants nothing any more, or never did.
    pub(crate) fn lift(&self) {
        self.0.send_modify(|state| state.granted = None);
    }

    /// Whether the peer keeps a window.
    pub(crate) fn is_kept(&self) -> bool {
        self.0.borrow().granted.is_some()
    }

    /// An item is sent.
    pub(crate) fn spend(&self, cost: u64) {
        self.0.send_modify(|state| state.sent = state.sent.saturating_add(cost));
    }

    /// Waits until an item may be sent.
    pub(crate) async fn room(&self) {
        self.wait(|state| state.granted.is_none_or(|granted| state.sent < granted)).await;
    }

    /// What was for the window is over.
    pub(crate) fn close(&self) {
        self.0.send_modify(|state| state.is_over = true);
    }

    pub(crate) async fn closed(&self) {
        self.wait(|state| state.is_over).await;
    }

    /// The peer has taken `most` at the most, and nothing that it granted was taken back.
    #[cfg(any(test, fuzzing))]
    pub(super) fn is_granted(&self, most: u64) {
        assert_eq!(self.0.borrow().granted, Some(most.saturating_add(WINDOW)));
    }

    async fn wait(&self, is_so: impl Fn(&Sent) -> bool) {
        // The sender is here: it does not go.
        let _ = self.0.subscribe().wait_for(is_so).await;
    }
}

/// What came of a peer, waits, and was taken.
#[derive(Debug)]
pub(super) struct Held(watch::Sender<Got>);

#[derive(Debug, Clone, Copy, Default)]
struct Got {
    waiting: u64,
    taken: u64,
}

impl Held {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Got::default()))
    }

    pub(super) fn came(&self, cost: u64) {
        self.0.send_modify(|got| got.waiting += cost);
    }

    pub(super) fn took(&self, cost: u64) {
        self.0.send_modify(|got| {
            got.waiting = got.waiting.saturating_sub(cost);
            got.taken += cost;
        });
    }

    pub(super) fn waiting(&self) -> u64 {
        self.0.borrow().waiting
    }

    /// Waits until less than that waits.
    pub(super) async fn below(&self, most: u64) {
        let _ = self.0.subscribe().wait_for(|got| got.waiting < most).await;
    }

    /// Waits until there is half a window to tell of, and says what was taken since the beginning.
    pub(super) async fn to_tell(&self, told: u64) -> u64 {
        let _ = self.0.subscribe().wait_for(|got| got.taken - told >= WINDOW / 2).await;
        self.0.borrow().taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn is_open(window: &Window) -> bool {
        timeout(Duration::from_millis(1), window.room()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_lets_one_item_beyond_it_and_then_waits_for_what_was_taken() {
        let window = Window::kept();
        window.spend(WINDOW - 1);
        assert!(is_open(&window).await);
        window.spend(16 << 20);
        assert!(!is_open(&window).await);
        window.taken(WINDOW - 1);
        assert!(!is_open(&window).await);
        // Half a window may be taken and not told: what is over that is told, and lets the next one go.
        window.taken((16 << 20) + WINDOW / 2);
        assert!(is_open(&window).await);
        window.taken(7);
        assert!(is_open(&window).await, "what was granted stays");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_without_a_window_is_never_waited_for() {
        let window = Window::open();
        window.spend(u64::MAX);
        window.taken(1);
        assert!(is_open(&window).await);
        window.keep();
        assert!(!is_open(&window).await);
        window.lift();
        assert!(is_open(&window).await);
        window.close();
        window.closed().await;
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_window_is_told_at_once_and_less_is_not() {
        let held = Held::new();
        held.came(WINDOW);
        held.took(WINDOW / 2 - 1);
        assert!(timeout(Duration::from_secs(1), held.to_tell(0)).await.is_err());
        held.took(1);
        assert_eq!(held.to_tell(0).await, WINDOW / 2);
        assert!(timeout(Duration::from_secs(1), held.to_tell(WINDOW / 2)).await.is_err());
        assert_eq!(held.waiting(), WINDOW / 2);
    }
}
