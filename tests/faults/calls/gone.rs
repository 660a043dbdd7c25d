//! C5: callers that leave.

use hecate_om_tests::{Gate, Lab, Wire, block_on, eventually};
use serde_json::json;

#[test]
fn c5_a_call_whose_caller_has_gone_still_runs_to_its_end_once() {
    let lab = Lab::open();
    let mut wire = Wire::unix(lab.socket());
    let passed = |wire: &mut Wire| wire.call("lab.count", "").json()["passed"].as_u64().unwrap();
    for (round, resets) in [(1, false), (2, true)] {
        let gate = Gate::closed();
        let mut gone = Wire::unix(lab.socket());
        if resets {
            // A socket that is closed before all was read from it is reset, not only ended.
            gone.ask("POST", "/capabilities/lab.say/v1", r#"{"text":"never read"}"#);
        }
        gone.ask("POST", "/capabilities/lab.hold/v1", gate.request());
        gate.wait_for(1);
        drop(gone);
        assert_eq!(passed(&mut wire), round - 1);
        gate.open();
        eventually("the handler's end", || (passed(&mut wire) == round).then_some(()));
        assert_eq!(gate.came(), 1);
    }
    assert_eq!(block_on(lab.stop()), 0);
}

#[test]
fn c5_a_caller_that_has_sent_may_close_its_half() {
    let lab = Lab::open();
    let gate = Gate::closed();
    let mut wire = Wire::unix(lab.socket());
    wire.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    wire.close_half();
    gate.wait_for(1);
    gate.open();
    let answer = wire.answer();
    assert_eq!((answer.status, answer.json()), (200, json!({"passed": 1})));
    wire.closed();
}
