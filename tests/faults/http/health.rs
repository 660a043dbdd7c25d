//! H3, H5: a `health` that breaks, and probes that do not stop.

use std::time::{Duration, Instant};

use hecate_om_tests::{Gate, Process, Wire, eventually};
use rustix::process::Signal;
use serde_json::json;

use crate::{assert_answers, errand, lab};

fn feeling(how: &str) -> Process {
    lab().with("LAB_HEALTH", how).ready()
}

#[test]
fn h3_a_health_that_panics_or_hangs_is_a_check_that_failed() {
    let gate = Gate::closed();
    let blocking = format!("block:{}", gate.path());
    for (how, code) in [("panic", "panic"), ("hang", "timeout"), (&blocking, "timeout")] {
        let mut process = feeling(how);
        let report = process.probe("/health").json();
        assert_eq!((&report["status"], &report["checks"][0]["code"]), (&json!("down"), &json!(code)), "{report}");
        assert!(!report["reason"].as_str().unwrap().is_empty(), "{report}");
        assert_eq!(process.probe("/readyz").status, 503, "{how}");
        assert_eq!(process.wire().call("lab.say", r#"{"text":"a"}"#).status, 200, "{how}: calls are answered");
        let log = process.wait_for_log("health changed");
        assert_eq!((&log["level"], &log["status"]), (&json!("WARN"), &json!("down")));
        process.signal(Signal::TERM);
        assert_eq!(process.exit_code(), 0, "{how}");
    }
}

#[test]
fn h5_however_many_probes_come_the_service_is_asked_no_more_often() {
    let gate = Gate::closed();
    gate.open();
    let process = feeling(&format!("pass:{}", gate.path()));
    let mut wire = Wire::tcp(process.health_address());
    for _ in 0..2000 {
        assert_eq!(wire.get("/health").status, 200);
    }
    // One look at boot; ten seconds lie between two.
    assert!(gate.came() <= 2, "{} looks", gate.came());
}

#[test]
fn h5_a_storm_of_probes_reaches_the_service_no_more_often_than_its_interval() {
    const EVERY: Duration = Duration::from_secs(10);
    let gate = Gate::closed();
    gate.open();
    let begun = Instant::now();
    let process = feeling(&format!("pass:{}", gate.path()));
    let address = process.health_address();
    std::thread::scope(|scope| {
        for number in 0..32 {
            scope.spawn(move || {
                let path = ["/health", "/readyz", "/livez", "/startupz"][number % 4];
                for _ in 0..10 {
                    let mut wire = Wire::tcp(address);
                    for _ in 0..50 {
                        assert_eq!(wire.get(path).status, 200, "{path}");
                    }
                }
            });
        }
    });
    let most = 1 + begun.elapsed().as_secs() / EVERY.as_secs();
    assert!(gate.came() as u64 <= most, "{} looks, {most} were due", gate.came());
    assert_answers(&process);
}

#[test]
fn h3_a_check_that_the_service_depends_on_ends_its_readiness_after_three_failures() {
    let process = errand().with("ERRAND_CHECK", "bridge:critical").ready();
    let mut seen = Vec::new();
    eventually("down", || {
        let report = process.probe("/health").json();
        let checks = report["checks"].as_array().unwrap();
        let bridge = checks.iter().find(|check| check["name"] == "bridge").unwrap();
        let (failures, status) = (bridge["failures"].as_u64().unwrap(), report["status"].as_str().unwrap().to_owned());
        assert_eq!(status, if failures < 3 { "degraded" } else { "down" }, "{report}");
        seen.push(failures);
        (failures >= 3).then_some(())
    });
    assert!(seen[0] < 3, "the first of them may be a hiccup: {seen:?}");
    assert_eq!((process.probe("/readyz").status, process.probe("/livez").status), (503, 200));
}

#[test]
fn h3_a_check_of_a_service_takes_no_name_of_the_runtime() {
    for name in ["secrets", "service", "task.sweep", "mesh.links"] {
        let mut process = errand().with("ERRAND_CHECK", format!("{name}:info")).start();
        eventually("its end", || (process.has_ended() || process.stdout().contains(r#""ready""#)).then_some(()));
        assert!(process.has_ended(), "{name} was taken");
        assert_eq!(process.exit_code(), 70);
        let stderr = process.stderr();
        assert!(stderr.contains(&format!("the check name `{name}` is the runtime's; help: take another")), "{stderr}");
    }
}
