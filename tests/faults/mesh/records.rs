//! M2: advertisements that are not true, and answers that do not come.

use std::time::Instant;

use super::*;
use crate::assert_alive_over;

const SAY: &str = "hecate-sayer/sayer.say_v1";

#[test]
fn m2_what_is_forged_expired_or_of_a_stranger_is_not_called() {
    let mut stage = stage();
    let asker = stage.dialed_by(asker()).ready();
    advertised(&asker);
    for how in ["foreign", "broken", "expired"] {
        stage.order(&format!("forge {how} {SAY}"));
    }
    let (status, error) = ask(&asker, 5_000);
    assert_eq!(status, 503, "{error}");
    assert!(refusal(&error).contains("nobody provides `hecate-sayer/sayer.say@1`"), "{error}");
    assert!(!refusal(&error).contains("tried"), "{error}");

    // One that is true is believed, though nobody is there: it is for their faults that the others are not.
    let ghost = stage.order(&format!("forge whole {SAY}"))["node"].as_str().unwrap().to_owned();
    let look = || {
        let (_, error) = ask(&asker, 2_000);
        refusal(&error).contains(&ghost[..8]).then_some(())
    };
    within(SOON, "the one that is true is tried", look);

    stage.order("forget forged");
    for how in ["foreign", "broken", "expired"] {
        stage.order(&format!("forge {how} {SAY}"));
    }
    let sayer = stage.dialed_by(sayer()).ready();
    advertised(&sayer);
    reached(&asker);
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(ask(&asker, 5_000), (200, json!({"text": "hello", "via": "mesh"})));
        assert!(begun.elapsed() < Duration::from_secs(2), "nobody else was waited for: {:?}", begun.elapsed());
    }
}

#[test]
fn m2_an_answer_that_is_late_is_a_timeout_with_its_trail_and_hurts_nobody() {
    let mut stage = stage();
    let (sayer, asker) = pair(&stage);
    let node = on_mesh(&sayer)["node"].as_str().unwrap().to_owned();
    stage.order("hold replies");
    let begun = Instant::now();
    let (status, error) = ask(&asker, 1_000);
    let took = begun.elapsed();
    assert_eq!(status, 503, "{error}");
    let message = refusal(&error);
    for words in ["did not answer within 1s", "tried over the mesh", &node[..8], "it did not answer in time"] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(4), "{took:?}");
    assert_eq!((health(&sayer).0, health(&asker).0), (200, 200), "one late answer is no fault of a service");
    stage.order("release replies");
    reached(&asker);
    assert_alive_over(&asker);
    assert_alive_over(&sayer);
}
