//! In which order a service takes what it needs, and gives it back.

use hecate_om_tests::{Gate, Launch, Process};
use rustix::process::Signal;

fn lab() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-lab"))
}

/// The values of `field` in the log, in their order.
fn told(process: &Process, message: &str, field: &str) -> Vec<String> {
    let log = process.log();
    let lines = log.iter().filter(|line| line["message"] == message);
    lines.map(|line| line[field].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn boot_tells_its_phases_in_order_and_how_long_each_took() {
    let process = lab().ready();
    let phases = told(&process, "phase of boot ended", "phase");
    let expected =
        ["claiming the folder", "reading the identity", "opening health", "opening the socket", "start", "health"];
    assert_eq!(phases, expected);
    let lines = process.log();
    let phases: Vec<_> = lines.iter().filter(|line| line["message"] == "phase of boot ended").collect();
    assert!(phases.iter().all(|line| line["took_ms"].is_u64() && line["level"] == "INFO"), "{phases:?}");
    assert!(lines.len() <= 10, "a boot is told in ten lines at most: {lines:?}");
}

#[test]
fn a_drain_tells_its_steps_in_order() {
    let mut process = lab().ready();
    let gate = Gate::closed();
    let mut held = process.wire();
    held.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    gate.wait_for(1);
    process.signal(Signal::TERM);
    process.wait_for_log("stopping");
    gate.open();
    assert_eq!(held.answer().status, 200);
    assert_eq!(process.exit_code(), 0);
    let steps = told(&process, "drain", "step");
    assert_eq!(steps, ["new calls are refused", "calls ended", "tasks ended", "`stop` ended", "replies are written"]);
    let last = process.log().pop().unwrap();
    assert_eq!((&last["message"], &last["clean"]), (&"stopped".into(), &true.into()));
}

#[test]
fn a_start_that_takes_too_long_is_given_up_and_says_which_setting_helps() {
    for how in ["slow", "block"] {
        let gate = Gate::closed();
        let launch = lab().with("HECATE_START_TIMEOUT", "1s").with("LAB_START", format!("{how}:{}", gate.path()));
        let (code, _, stderr) = launch.run(&[]);
        assert_eq!(code, 75, "{stderr}");
        assert_eq!(
            stderr,
            "error: `start` of the service did not end within 1s; help: HECATE_START_TIMEOUT gives it more time\n"
        );
        assert_eq!(launch.journal(), "start\n", "`stop` without a `start` that ended");
        assert!(!launch.home().join("sockets/api.sock").exists() && !launch.home().join("run/health.addr").exists());
    }
}
