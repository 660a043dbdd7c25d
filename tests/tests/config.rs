//! What a service says of an environment that is wrong: everything, at once, with what to write.

use hecate_om_tests::Launch;
use rustix::process::Signal;

fn lab() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-lab"))
}

/// The report of a service that cannot start, line by line.
fn report(launch: &Launch) -> Vec<String> {
    let (code, stdout, stderr) = launch.run(&[]);
    assert_eq!((code, stdout.as_str()), (78, ""), "{stderr}");
    assert_eq!(stderr.matches("error: ").count(), 1, "one report: {stderr}");
    assert!(!launch.home().exists(), "nothing was made");
    stderr.lines().map(str::to_owned).collect()
}

#[test]
fn everything_that_is_wrong_is_in_one_report_with_the_fix() {
    let launch = lab()
        .with("HECATE_RUNTIME_DIR", "relative/path")
        .with("HECATE_HEALTH_ADDR", "${HEALTH_ADDR}")
        .with("HECATE_STOP_TIMEOUT", "30")
        .with("HECATE_LOG", "")
        .with("HECATE_HEALTH_ADR", "127.0.0.1:1");
    let (code, stdout, stderr) = launch.run(&[]);
    assert_eq!((code, stdout.as_str()), (78, ""), "{stderr}");
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines[0], "error: the configuration has 5 problems:", "{stderr}");
    for (variable, found, fix) in [
        ("HECATE_RUNTIME_DIR", "holds `relative/path`", "an absolute folder"),
        ("HECATE_HEALTH_ADDR", "holds the unexpanded `${HEALTH_ADDR}`", "such as `127.0.0.1:8470`"),
        ("HECATE_STOP_TIMEOUT", "holds `30`", "such as `30s`"),
        ("HECATE_LOG", "is set and empty", "unset it, or give it a level"),
        ("HECATE_HEALTH_ADR", "is no setting", "did you mean HECATE_HEALTH_ADDR?"),
    ] {
        let line = lines.iter().find(|line| line.trim_start().starts_with(&format!("{variable} ")));
        let line = line.unwrap_or_else(|| panic!("{variable} is not in the report:\n{stderr}"));
        assert!(line.contains(found) && line.contains(fix) && line.contains("; help: "), "{line}");
    }
}

#[test]
fn each_value_that_cannot_be_meant_is_refused() {
    let long = format!("/{}", "x".repeat(107));
    let cases = [
        (
            "HECATE_HEALTH_ADDR",
            vec!["8470", "localhost:8470", ":8470", "127.0.0.1", "127.0.0.1:65536", "::1:8470", " "],
        ),
        ("HECATE_STOP_TIMEOUT", vec!["0s", "999ms", "601s", "1h", "-1s", "ten", "1e3s"]),
        ("HECATE_LOG", vec!["loud", "info,,=", "hecate_om=loud", "=info", "info=warn=debug"]),
        ("HECATE_RUNTIME_DIR", vec![".", "~/hecate", "run"]),
        ("HECATE_HEALTH_SOCKET", vec!["health.sock", &long]),
    ];
    for (variable, values) in cases {
        for value in values {
            let launch = lab().without("HECATE_HEALTH_ADDR").with(variable, value);
            let (code, _, stderr) = launch.run(&[]);
            assert_eq!(code, 78, "{variable}={value}: {stderr}");
            assert!(stderr.contains("has 1 problem:") && stderr.contains(variable), "{variable}={value}: {stderr}");
        }
    }
}

#[test]
fn a_value_is_shown_on_one_line_and_not_whole() {
    let launch = lab().with("HECATE_STOP_TIMEOUT", format!("\u{1b}[31m\n{}", "9".repeat(5000)));
    let lines = report(&launch);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(!lines[1].contains('\u{1b}') && lines[1].len() < 250, "{:?}", lines[1]);
}

#[test]
fn two_places_for_health_are_one_too_many() {
    let launch = lab().with("HECATE_HEALTH_SOCKET", "/tmp/never-made.sock");
    assert!(report(&launch)[1].contains("unset one of them"));
}

#[test]
fn the_folder_of_a_session_is_place_enough() {
    let launch = lab().without("HECATE_RUNTIME_DIR");
    let session = launch.folder().join("session");
    std::fs::create_dir(&session).unwrap();
    let (code, ..) = launch.with("XDG_RUNTIME_DIR", session.to_str().unwrap()).run(&["health"]);
    assert_eq!(code, 2, "it looked there, and nobody is there");
}

#[test]
fn a_setting_of_somebody_else_is_a_warning_and_a_near_miss_is_an_error() {
    let mut process = lab().with("HECATE_REGISTRY_URL", "https://x").ready();
    let log = process.log();
    let warned = log.iter().find(|line| line["level"] == "WARN").unwrap_or_else(|| panic!("{log:?}"));
    assert_eq!(warned["message"], "HECATE_REGISTRY_URL is no setting of this service and is ignored");
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0);

    for (near, meant) in [
        ("HECATE_LOGS", "HECATE_LOG"),
        ("HECATE_STOP_TIMOUT", "HECATE_STOP_TIMEOUT"),
        ("HECATE_RUNTIME_DRI", "HECATE_RUNTIME_DIR"),
        ("HECATE_HEALTH_SOCKT", "HECATE_HEALTH_SOCKET"),
    ] {
        let lines = report(&lab().with(near, "x"));
        assert_eq!(lines[1].trim(), format!("{near} is no setting; help: did you mean {meant}?"));
    }
}

#[test]
fn every_command_that_needs_the_environment_reports_it_alike() {
    for arguments in [["health", "--ready"], ["call", "lab.nothing"]] {
        let (code, _, stderr) = lab().with("HECATE_LOG", "").run(&arguments);
        assert_eq!(code, 78, "{arguments:?}");
        assert!(stderr.contains("HECATE_LOG is set and empty"), "{arguments:?}: {stderr}");
    }
    // Those that only tell what is in the binary do not.
    let (code, ..) = lab().with("HECATE_LOG", "").run(&["manifest"]);
    assert_eq!(code, 0);
}
