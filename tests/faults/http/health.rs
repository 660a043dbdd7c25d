//! H3, H5: a `health` that breaks, and probes that do not stop.

use hecate_om_tests::{Gate, Process, Wire};
use rustix::process::Signal;
use serde_json::json;

use crate::lab;

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
