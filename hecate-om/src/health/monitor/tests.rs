use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::health::fixtures::running;

fn workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

fn answering(health: Health) -> Ask {
    Arc::new(move || {
        let health = health.clone();
        Box::pin(async move { health })
    })
}

fn status_of(board: &Board, name: &str) -> (&'static str, Option<String>) {
    match board.report(true).only(name) {
        Ok(report) => {
            let check = serde_json::to_value(&report.checks()[0]).unwrap();
            (report.status, check.get("code").map(|code| code.as_str().unwrap().to_owned()))
        }
        Err(names) => panic!("no {name} in {names:?}"),
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn started(health: impl Fn() -> Task<Health> + Send + Sync + 'static) -> Arc<Started> {
    let stop = Box::new(|| Box::pin(async {}) as Task<()>);
    Arc::new(Started { handlers: Vec::new(), health: Box::new(health), stop })
}

#[tokio::test]
async fn a_check_that_blocks_its_thread_is_not_asked_again_until_it_answers() {
    let (release, held) = mpsc::channel::<()>();
    let (held, asked) = (Arc::new(Mutex::new(held)), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let (board, workers) = (running(), workers());
    let checks = Checks::new(Arc::clone(&board), workers.handle().clone());
    checks.register_service(started(move || {
        count.fetch_add(1, Ordering::SeqCst);
        let held = Arc::clone(&held);
        Box::pin(async move {
            let _ = held.lock().unwrap().recv();
            Health::Ok
        })
    }));
    for _ in 0..3 {
        checks.first_round().await;
        assert_eq!(status_of(&board, SERVICE), ("down", Some("timeout".to_owned())), "its word is taken at once");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "one more thread is blocked");
    }
    drop(release);
    let begun = Instant::now();
    while board.report(true).status != "ok" {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never recovers");
        tokio::task::yield_now().await;
        checks.first_round().await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    workers.shutdown_background();
}

#[tokio::test]
async fn the_first_round_asks_all_at_the_same_time_and_each_is_noted_for_itself() {
    let (board, workers) = (running(), workers());
    let checks = Checks::new(Arc::clone(&board), workers.handle().clone());
    checks.register_service(started(|| Box::pin(async { Health::Ok })));
    let every = Duration::from_secs(1);
    // All of them come together only when all are asked at once.
    let together = Arc::new(tokio::sync::Barrier::new(3));
    for name in ["a", "b", "c"] {
        let together = Arc::clone(&together);
        let ask: Ask = Arc::new(move || {
            let together = Arc::clone(&together);
            Box::pin(async move {
                together.wait().await;
                Health::Ok
            })
        });
        checks.register(name, every, Impact::Critical, ask).unwrap();
    }
    checks.register("hangs", every, Impact::Critical, Arc::new(|| Box::pin(std::future::pending()))).unwrap();
    checks.register("panics", every, Impact::Critical, Arc::new(|| Box::pin(async { panic!("on purpose") }))).unwrap();
    checks.register("panics.early", every, Impact::Info, Arc::new(|| panic!("on purpose"))).unwrap();
    checks.register("slow", every, Impact::Degrading, answering(Health::degraded("slow"))).unwrap();
    checks.first_round().await;
    for name in [SERVICE, "a", "b", "c"] {
        assert_eq!(status_of(&board, name), ("ok", None), "{name}");
    }
    assert_eq!(status_of(&board, "hangs"), ("degraded", Some("timeout".to_owned())));
    assert_eq!(status_of(&board, "panics"), ("degraded", Some("panic".to_owned())), "once is no reason to be down");
    assert_eq!(status_of(&board, "panics.early"), ("down", Some("panic".to_owned())));
    assert_eq!(status_of(&board, "slow"), ("degraded", None));
    assert_eq!(board.report(true).checks()[0].name, SERVICE, "the service comes first");
    workers.shutdown_background();
}

#[tokio::test]
async fn checks_are_asked_again_and_again_whenever_they_came_until_they_are_stopped() {
    let (board, workers) = (running(), workers());
    let checks = Checks::new(Arc::clone(&board), workers.handle().clone());
    let count = |asked: &Arc<AtomicUsize>| -> Ask {
        let asked = Arc::clone(asked);
        Arc::new(move || {
            asked.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Health::Ok })
        })
    };
    let (early, late) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let every = Duration::from_secs(1);
    checks.register("early", every, Impact::Critical, count(&early)).unwrap();
    checks.first_round().await;
    assert_eq!(early.load(Ordering::SeqCst), 1);
    let watching = tokio::spawn(Arc::clone(&checks).watch());
    let begun = Instant::now();
    checks.register("late", every, Impact::Critical, count(&late)).unwrap();
    until("the late one is asked", || late.load(Ordering::SeqCst) == 1).await;
    until("its answer is noted", || status_of(&board, "late") == ("ok", None)).await;
    until("both are asked again", || early.load(Ordering::SeqCst) >= 2 && late.load(Ordering::SeqCst) >= 2).await;
    assert!(begun.elapsed() >= Duration::from_millis(900), "after its time, and no sooner");

    // What is being asked when it is stopped is given up.
    let asked = Arc::new(AtomicUsize::new(0));
    let (dropped, seen) = (Arc::new(()), Arc::clone(&asked));
    let held = Arc::downgrade(&dropped);
    let ask: Ask = Arc::new(move || {
        let dropped = Arc::clone(&dropped);
        seen.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            std::future::pending::<()>().await;
            drop(dropped);
            Health::Ok
        })
    });
    checks.register("hangs", every, Impact::Critical, ask).unwrap();
    until("it hangs", || asked.load(Ordering::SeqCst) == 1).await;
    checks.stop();
    watching.await.unwrap();
    until("nothing is left of it", || held.strong_count() == 0).await;
    let late = Arc::new(());
    let held = Arc::downgrade(&late);
    let ask: Ask = Arc::new(move || {
        let _late = &late;
        Box::pin(async { Health::Ok })
    });
    checks.register("too.late", every, Impact::Info, ask).unwrap();
    assert_eq!(held.strong_count(), 0, "what is never asked is not kept");
    workers.shutdown_background();
}

#[tokio::test]
async fn what_cannot_be_a_check_is_refused_with_the_reason() {
    let workers = workers();
    let checks = Checks::new(running(), workers.handle().clone());
    let try_to = |name: &'static str, every| checks.register(name, every, Impact::Info, answering(Health::Ok));
    for every in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(3601)] {
        let error = try_to("disk", every).unwrap_err();
        assert_eq!(error, CheckError::Interval("disk".to_owned(), every));
        assert!(error.to_string().contains("help: give it a time from 1s to 1h"), "{error}");
    }
    try_to("disk", Duration::from_secs(1)).unwrap();
    try_to("network", Duration::from_secs(3600)).unwrap();
    assert_eq!(try_to("disk", Duration::from_secs(1)), Err(CheckError::Duplicate("disk".to_owned())));
    assert_eq!(try_to(SERVICE, Duration::from_secs(1)), Err(CheckError::Reserved(SERVICE.to_owned())));
    assert_eq!(try_to("no name", Duration::from_secs(1)), Err(CheckError::Name("no name".to_owned())));
    workers.shutdown_background();
}
