use std::convert::Infallible;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::dispatch::Dispatch;
use crate::health::board::Phase;
use crate::service::{IdentitySpec, ServiceInfo};
use crate::telemetry::chain;

static INFO: ServiceInfo = {
    let identity = IdentitySpec::new("busy", &[], &[], 30);
    ServiceInfo::new("hecate-busy", "1.0.0", "Works.", "busy::Busy", "busy.rs:1", &[], identity, 8470, "{}")
};

struct Office {
    tasks: Arc<Tasks>,
    board: Arc<Board>,
    workers: Runtime,
}

impl Office {
    fn new() -> Self {
        let board = Board::new(&INFO, Dispatch::new(&INFO));
        board.enter(Phase::Running);
        let workers = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let tasks = Arc::new(Tasks::new(workers.handle().clone(), Arc::clone(&board)));
        Self { tasks, board, workers }
    }

    fn health(&self) -> String {
        serde_json::to_string(&self.board.report(true)).unwrap()
    }

    fn end(&self, limit: Duration) -> Vec<String> {
        self.workers.block_on(self.tasks.end(limit))
    }
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Fails in some way the first `times`, then waits for ever.
fn failing(times: usize, how: fn()) -> (Arc<AtomicUsize>, impl FnMut() -> TaskOf + Send) {
    let runs = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&runs);
    let task = move || -> TaskOf {
        let run = counted.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move {
            if run > times {
                return std::future::pending().await;
            }
            how();
            Err(std::io::Error::other("the disk is gone"))
        })
    };
    (runs, task)
}

type TaskOf = std::pin::Pin<Box<dyn Future<Output = Result<(), std::io::Error>> + Send>>;

const LONG: Duration = Duration::from_secs(20);

#[test]
fn a_task_that_fails_runs_again_and_health_tells_until_it_is_well() {
    let office = Office::new();
    let (runs, task) = failing(2, || {});
    office.tasks.spawn("index", task).unwrap();
    eventually("a first failure in health", || office.health().contains("failed 1 time, last: the disk is gone"));
    eventually("a second failure in health", || office.health().contains("failed 2 times, last: the disk is gone"));
    let health = office.health();
    assert!(
        health.contains(r#""name":"task.index","status":"degraded""#) && health.contains(r#""code":"failed""#),
        "{health}"
    );
    eventually("a third run", || runs.load(Ordering::SeqCst) == 3);
    eventually("health", || office.health().contains(r#""name":"task.index","status":"ok""#));
    assert_eq!(office.tasks.restarts(), [("index".to_owned(), 2)]);
}

#[test]
fn a_task_that_panics_runs_again() {
    let office = Office::new();
    let (runs, task) = failing(1, || panic!("out of ideas"));
    office.tasks.spawn("think", task).unwrap();
    eventually("the panic in health", || office.health().contains("out of ideas"));
    assert!(office.health().contains(r#""code":"panic""#), "{}", office.health());
    eventually("a second run", || runs.load(Ordering::SeqCst) == 2);
}

#[test]
fn a_panic_before_the_first_await_or_in_a_drop_is_a_failure_like_any_other() {
    struct Evil;
    impl Drop for Evil {
        fn drop(&mut self) {
            panic!("dropped badly");
        }
    }
    let office = Office::new();
    office.tasks.spawn("make", || -> std::future::Ready<()> { panic!("made badly") }).unwrap();
    let drop_badly = || {
        let evil = Evil;
        async move {
            let _evil = evil;
        }
    };
    office.tasks.spawn("drop", drop_badly).unwrap();
    let aborted = move || {
        let evil = Evil;
        async move {
            let _evil = evil;
            std::future::pending::<()>().await;
        }
    };
    office.tasks.spawn("abort", aborted).unwrap();
    eventually("all in health", || ["made badly", "dropped badly"].iter().all(|what| office.health().contains(what)));
    assert_eq!(office.end(Duration::from_millis(20)), ["abort"]);
}

#[test]
fn a_task_that_is_done_is_well_and_never_runs_again() {
    let office = Office::new();
    let runs = Arc::<AtomicUsize>::default();
    for (name, ends_well) in [("nothing", true), ("ok", false)] {
        let runs = Arc::clone(&runs);
        office
            .tasks
            .spawn(name, move || {
                runs.fetch_add(1, Ordering::SeqCst);
                async move { if ends_well { Ok::<(), Infallible>(()) } else { Ok(()) } }
            })
            .unwrap();
    }
    office.tasks.spawn("unit", || async {}).unwrap();
    eventually("the end of all", || office.tasks.list().iter().all(|task| task.supervisor.is_finished()));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert!(office.health().contains(r#""name":"task.unit","status":"ok""#), "{}", office.health());
    assert!(office.tasks.restarts().iter().all(|(_, restarts)| *restarts == 0));
    assert!(office.end(LONG).is_empty());
}

#[test]
fn tasks_are_told_to_end_and_those_that_do_not_are_aborted_and_named() {
    let office = Office::new();
    let finished = Arc::<AtomicUsize>::default();
    let (draining, counted) = (Arc::clone(&office.tasks), Arc::clone(&finished));
    let polite = move || {
        let (draining, counted) = (draining.draining(), Arc::clone(&counted));
        async move {
            draining.await;
            counted.fetch_add(1, Ordering::SeqCst);
        }
    };
    office.tasks.spawn("polite", polite).unwrap();
    office
        .tasks
        .spawn("deaf", || async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
        .unwrap();
    assert_eq!(office.end(Duration::from_millis(100)), ["deaf"]);
    assert_eq!(finished.load(Ordering::SeqCst), 1);
    eventually("the end of the deaf one", || office.tasks.list().iter().all(|task| task.supervisor.is_finished()));
    let late = office.tasks.spawn("late", || async {}).unwrap_err();
    assert!(late.to_string().contains("the service ends"), "{late}");
}

#[test]
fn a_task_that_waits_to_run_again_ends_at_once() {
    let office = Office::new();
    let (runs, task) = failing(usize::MAX, || {});
    office.tasks.spawn("broken", task).unwrap();
    eventually("four failures", || office.health().contains("failed 4 times"));
    assert!(office.end(LONG).is_empty());
    let after = runs.load(Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(runs.load(Ordering::SeqCst), after);
}

#[test]
fn a_name_is_given_once_and_tasks_are_counted() {
    let office = Office::new();
    office.tasks.spawn("a", || async {}).unwrap();
    let twice = office.tasks.spawn("a", || async {}).unwrap_err();
    assert!(twice.to_string().starts_with("there is a task `a` already; help: "), "{twice}");
    let wrong = office.tasks.spawn("a\nb", || async {}).unwrap_err();
    assert!(wrong.to_string().starts_with(r"`a\nb` is no name of a task; help: use a-z"), "{wrong}");
    for number in 1..MAX_TASKS {
        office.tasks.spawn(&number.to_string(), || async {}).unwrap();
    }
    let other = Office::new();
    other.tasks.spawn(&"a".repeat(64), || async {}).unwrap();
    let long = other.tasks.spawn(&"a".repeat(65), || async {}).unwrap_err();
    assert!(chain(&long).contains("at most 64 bytes"), "{}", chain(&long));
    let many = office.tasks.spawn("one-more", || async {}).unwrap_err();
    assert!(many.to_string().starts_with("the service has 32 tasks"), "{many}");
    assert_eq!((twice.exit_code(), wrong.exit_code(), many.exit_code()), (70, 70, 70));
}
