//! A service that does not come up.

use hecate_om_tests::Launch;

#[test]
fn a_start_that_fails_chooses_the_exit_code_and_stop_never_runs() {
    let cases = [
        ("error", 70, "the model is not there: the disk is gone"),
        ("retry", 75, "the database is not up yet"),
        ("config", 78, "MODEL is not set"),
        ("panic", 70, "panicked"),
    ];
    for (how, code, reason) in cases {
        let mut process = Launch::of(env!("CARGO_BIN_EXE_hecate-lab")).with("LAB_START", how).start();
        assert_eq!(process.exit_code(), code, "{how}");
        let stderr = process.stderr();
        assert!(stderr.starts_with("error: ") && stderr.contains(reason), "{how}: {stderr}");
        assert_eq!(process.launch.journal(), "start\n", "{how}");
        assert!(!process.socket().exists() && !process.health_file().exists(), "{how}: something is left");
    }
}
