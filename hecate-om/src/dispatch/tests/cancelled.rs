//! A handler that ends with its caller, where it is declared so.

use std::sync::atomic::AtomicUsize;

use super::*;

static ENDING: [CapabilityInfo; 2] = [
    CapabilityInfo::new("lab.ends", 1, "Ends.", 60_000).cancel_on_disconnect(),
    CapabilityInfo::new("lab.goes_on", 1, "Goes on.", 60_000),
];
static SERVICE: ServiceInfo = {
    let identity = IdentitySpec::new("lab", &[], &[], 30);
    ServiceInfo::new("hecate-lab", "1.0.0", "Lab.", "lab::Lab", "lab.rs:1", &ENDING, identity, 8470, "{}")
};

/// Counts what is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Ending {
    dispatch: Arc<Dispatch>,
    dropped: Arc<AtomicUsize>,
    go_on: Arc<Notify>,
}

impl Ending {
    fn new() -> Self {
        let (dropped, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        // Handlers capture nothing, so what they need is found by the thread.
        HERE.set(Some((Arc::clone(&dropped), Arc::clone(&go_on))));
        let mut handlers = Handlers::<Lab>::new();
        for _ in &ENDING {
            handlers.unary(async |_lab, _call: Call<Lab>, request: Text| {
                let (dropped, go_on) = HERE.with_borrow(|here| here.clone()).unwrap();
                let _bomb = (request.text == "bomb").then(|| Bomb);
                let _dropped = Dropped(dropped);
                go_on.notified().await;
                Ok::<_, CapabilityError>(request)
            });
        }
        let dispatch = Dispatch::new(&SERVICE);
        dispatch.open(handlers.bind(&Arc::new(Lab), &Calls::none_of(&SERVICE)));
        Self { dispatch, dropped, go_on }
    }

    /// A call whose handler waits.
    async fn begin(&self, slot: usize, text: &str) -> Answer {
        let body = serde_json::to_vec(&Text { text: text.to_owned() }).unwrap();
        let mut answer = self.dispatch.admit(slot, origin(), None).unwrap().answer(Input::Json(body.into())).unwrap();
        assert!(poll_fn(|context| Poll::Ready(Pin::new(&mut answer).poll(context))).await.is_pending());
        answer
    }

    async fn ended(&self) {
        tokio::time::timeout(Duration::from_secs(10), async {
            while self.dispatch.in_flight() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }

    fn counted(&self, slot: usize) -> Vec<(&'static str, u64)> {
        let (_, tally) = self.dispatch.tallies().nth(slot).unwrap();
        assert_eq!(tally.running(), 0);
        let all = Outcome::ALL.map(|outcome| (outcome.word(), tally.calls(outcome)));
        all.into_iter().filter(|(_, calls)| *calls > 0).collect()
    }
}

type Here = (Arc<AtomicUsize>, Arc<Notify>);

thread_local! {
    static HERE: std::cell::RefCell<Option<Here>> = const { std::cell::RefCell::new(None) };
}

#[tokio::test]
async fn a_handler_that_ends_with_its_caller_is_dropped_when_that_leaves() {
    let lab = Ending::new();
    let answer = lab.begin(0, "say").await;
    drop(answer);
    lab.ended().await;
    assert_eq!((lab.dropped.load(Ordering::SeqCst), lab.counted(0)), (1, vec![("cancelled", 1)]));
}

#[tokio::test]
async fn any_other_runs_on() {
    let lab = Ending::new();
    let answer = lab.begin(1, "say").await;
    drop(answer);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!((lab.dropped.load(Ordering::SeqCst), lab.dispatch.in_flight()), (0, 1));
    lab.go_on.notify_one();
    lab.ended().await;
    assert_eq!(lab.counted(1), [("ok", 1)]);
}

#[tokio::test]
async fn a_caller_that_stays_is_answered() {
    let lab = Ending::new();
    let answer = lab.begin(0, "say").await;
    lab.go_on.notify_one();
    assert!(answer.await.is_ok());
    assert_eq!(lab.counted(0), [("ok", 1)]);
}

#[tokio::test]
async fn what_panics_when_it_is_dropped_is_a_panic_and_nothing_else() {
    let lab = Ending::new();
    drop(lab.begin(0, "bomb").await);
    lab.ended().await;
    assert_eq!(lab.counted(0), [("panic", 1)]);
    assert_eq!(lab.dispatch.panics(), 1);
    lab.dispatch.drain();
    lab.dispatch.drained().await;
}
