use std::sync::mpsc;

use tokio::runtime::Runtime;

use super::*;
use crate::health::fixtures::running;

fn workers(count: usize) -> (Arc<Pulse>, Runtime) {
    let mut builder = Builder::new_multi_thread();
    let pulse = Pulse::of(builder.worker_threads(count).enable_all());
    (pulse, builder.build().unwrap())
}

/// Blocks that many workers until what is returned is dropped.
fn block(workers: &Handle, count: usize) -> Vec<mpsc::Sender<()>> {
    let (blocked, is_blocked) = mpsc::channel();
    let mut held = Vec::new();
    for _ in 0..count {
        let (hold, release) = mpsc::channel::<()>();
        held.push(hold);
        let blocked = blocked.clone();
        workers.spawn(async move {
            blocked.send(()).unwrap();
            let _ = release.recv();
        });
        is_blocked.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    held
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn beats(pulse: &Pulse) -> u64 {
    pulse.lag().counts.iter().map(|(_, count)| count).sum()
}

#[tokio::test]
async fn blocked_workers_lag_and_the_board_tells() {
    let (pulse, workers) = workers(2);
    let board = running();
    pulse.report_to(Arc::clone(&board), || 0);
    let watching = tokio::spawn(Arc::clone(&pulse).watch(workers.handle().clone()));
    until("a beat", || beats(&pulse) > 0).await;
    assert!(pulse.alive() && pulse.overdue() < Duration::from_secs(1));

    let held = block(workers.handle(), 2);
    let lag = || board.report(true).only("runtime.lag").map(|report| report.status).unwrap();
    until("the lag is told", || lag() == "degraded").await;
    assert!(pulse.overdue() > Duration::from_secs(1));
    let report: serde_json::Value = serde_json::from_slice(&board.report(true).into_json()).unwrap();
    let check = &report["checks"][0];
    assert!(check["observed"].as_f64().unwrap() > 1.0 && check["unit"] == "seconds", "{check}");
    assert!(report["reason"].as_str().unwrap().contains("does a handler block its thread?"), "{report}");
    drop(held);
    until("it is over", || lag() == "ok").await;
    let seen = pulse.lag();
    assert!(seen.longest > Duration::from_secs(1) && seen.sum >= seen.longest, "{seen:?}");
    watching.abort();
    workers.shutdown_background();
}

#[tokio::test]
async fn one_beat_is_out_at_a_time_and_time_that_nobody_lived_does_not_count() {
    let (pulse, workers) = workers(2);
    let held = block(workers.handle(), 2);
    pulse.beat(workers.handle());
    // As after a pause of the whole process.
    pulse.count_time(Duration::from_secs(3600));
    assert_eq!(pulse.overdue(), QUIET_BEAT);
    for _ in 0..8 {
        pulse.count_time(QUIET_BEAT);
    }
    assert!(pulse.alive(), "nine seconds");
    pulse.count_time(QUIET_BEAT);
    assert!(!pulse.alive(), "ten seconds");
    drop(held);
    until("it is back", || pulse.alive()).await;
    assert_eq!(beats(&pulse), 1);
    workers.shutdown_background();
}

#[tokio::test]
async fn too_many_panics_degrade() {
    let (pulse, workers) = workers(2);
    let (board, panics) = (running(), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&panics);
    pulse.report_to(Arc::clone(&board), move || count.load(Ordering::SeqCst));
    let watching = tokio::spawn(Arc::clone(&pulse).watch(workers.handle().clone()));
    let observed = || {
        let report: serde_json::Value = serde_json::from_slice(&board.report(true).into_json()).unwrap();
        report["checks"][1]["observed"].as_f64().unwrap_or(-1.0)
    };
    until("none is seen", || observed() == 0.0).await;
    panics.store(4, Ordering::SeqCst);
    until("four are seen", || observed() == 4.0).await;
    assert_eq!(board.report(true).status, "ok");
    panics.store(5, Ordering::SeqCst);
    until("five are too many", || board.report(true).status == "degraded").await;
    assert!(board.summary().reason.unwrap().starts_with("runtime.panics: 5 handler panics within 60s"));
    watching.abort();
    workers.shutdown_background();
}

#[tokio::test]
async fn workers_that_sleep_are_left_alone() {
    let (pulse, workers) = workers(2);
    let watching = tokio::spawn(Arc::clone(&pulse).watch(workers.handle().clone()));
    // Nobody looks any more: the bell is set.
    until("it is quiet", || pulse.sleepers.is_awaited()).await;
    let before = beats(&pulse);
    tokio::time::sleep(3 * QUIET_BEAT).await;
    let beaten = beats(&pulse) - before;
    assert!((1..=4).contains(&beaten), "{beaten} beats in three seconds");

    watching.abort();
    workers.shutdown_background();
}

#[tokio::test]
async fn the_first_worker_that_wakes_rings() {
    let (pulse, workers) = workers(2);
    let hour = Duration::from_secs(3600);
    let woken = async || {
        let woken = pulse.sleepers.until_one_wakes(2, hour);
        tokio::time::timeout(Duration::from_secs(20), woken).await.expect("nobody rang")
    };
    for _ in 0..100 {
        until("all sleep", || pulse.sleepers.count() == 2).await;
        let (handle, spawned) = (workers.handle().clone(), woken());
        // It may ring before somebody waits, or after.
        let (woken, _) = tokio::join!(spawned, async { handle.spawn(async {}).await });
        assert!(woken);
    }
    let held = block(workers.handle(), 1);
    assert!(woken().await, "one is awake already");
    drop(held);
    until("all sleep", || pulse.sleepers.count() == 2).await;
    assert!(!pulse.sleepers.until_one_wakes(2, Duration::from_millis(1)).await, "none wakes");
    workers.shutdown_background();
}

#[tokio::test]
async fn while_a_worker_is_held_another_is_woken_more_often_than_the_pulse_is_felt() {
    let (pulse, workers) = workers(2);
    let watching = tokio::spawn(Arc::clone(&pulse).watch(workers.handle().clone()));
    let held = block(workers.handle(), 1);
    let metrics = workers.metrics();
    let wakes = || (0..2).map(|worker| metrics.worker_park_unpark_count(worker)).sum::<u64>() / 2;
    let (woken_before, beaten_before) = (wakes(), beats(&pulse));
    until("it is woken", || wakes() >= woken_before + 40).await;
    // There are five nudges to a beat, unless this thread is starved.
    let beaten = beats(&pulse) - beaten_before;
    assert!((1..20).contains(&beaten), "{beaten} beats, {} wakes", wakes() - woken_before);
    drop(held);
    watching.abort();
    workers.shutdown_background();
}

#[tokio::test]
async fn timers_go_on_while_the_worker_that_watches_them_is_held() {
    let (pulse, workers) = workers(2);
    let watching = tokio::spawn(Arc::clone(&pulse).watch(workers.handle().clone()));
    until("all sleep, and nobody looks", || pulse.sleepers.is_awaited()).await;
    let (hold, release) = mpsc::channel::<()>();
    let (told, is_told) = tokio::sync::oneshot::channel();
    workers.spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let _ = release.recv();
    });
    workers.spawn(async move {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let _ = told.send(());
    });
    tokio::time::timeout(Duration::from_secs(20), is_told).await.unwrap().unwrap();
    drop(hold);
    watching.abort();
    workers.shutdown_background();
}
