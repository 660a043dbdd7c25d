//! F4: files of settings that are broken in any way.

use std::fs;
use std::time::{Duration, Instant};

use hecate_om_tests::Launch;

use crate::{assert_ends_well, lab, library, reload};

fn with_file(launch: Launch, name: &str, text: impl AsRef<[u8]>) -> Launch {
    let path = launch.folder().join(name);
    fs::write(&path, text).unwrap();
    launch.argument("--config").argument(path.to_str().unwrap())
}

/// The report of a service that cannot start, without the path of its files.
fn report(launch: Launch) -> Vec<String> {
    let folder = format!("{}/", launch.folder().display());
    let (code, stdout, stderr) = launch.run(&[]);
    assert_eq!((code, stdout.as_str()), (78, ""), "{stderr}");
    assert!(!launch.home().exists(), "nothing was made");
    stderr.replace(&folder, "").lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn f4_a_file_that_is_no_toml_is_told_with_its_place() {
    for (text, place) in [
        ("log = \"info", "a.toml:1:"),
        ("log = \"info\"\n[service", "a.toml:2:"),
        ("log = \"info\"\nstop_timeout = ", "a.toml:2:"),
        ("log = \"info\"\nlog = \"warn\"\n", "a.toml:2:1:"),
        ("[service]\n[service]\n", "a.toml:2:"),
        ("log: info", "a.toml:1:"),
        ("{\"log\": \"info\"}", "a.toml:1:"),
        ("\0", "a.toml:1:"),
    ] {
        let lines = report(with_file(lab(), "a.toml", text));
        assert_eq!(lines[0], "error: the configuration has 1 problem:", "{text:?}: {lines:#?}");
        assert!(lines[1].starts_with(place) && lines[1].contains("; help: "), "{text:?}: {lines:#?}");
    }
    let lines = report(with_file(lab(), "a.toml", b"log = \"\xff\""));
    assert!(lines[1].contains("a.toml is no UTF-8 in line 1"), "{lines:#?}");
}

#[test]
fn f4_a_byte_order_mark_and_line_ends_of_another_system_are_nothing() {
    let mut process = with_file(lab(), "a.toml", "\u{feff}log = \"info\"\r\nstop_timeout = \"40s\"\r\n").ready();
    assert_ends_well(&mut process);
}

#[test]
fn f4_whatever_is_wrong_with_the_files_is_in_one_report_with_its_place() {
    let launch = with_file(library(), "a.toml", "log = true\nstop_timeout = [\"30s\"]\nstart_timeot = \"5s\"\n");
    let launch = with_file(launch, "b.toml", "log = \"info");
    let service = "[service]\ntown = 7\nbooks = \"many\"\nbranches = \"north\"\nshelves = { high = 1, hihg = 2 }\n";
    let launch = with_file(launch, "c.toml", format!("runtime_dir = true\n{service}"));
    let launch = launch.without("HECATE_RUNTIME_DIR").with("HECATE_HEALTH_ADDR", "8470");
    let folder = format!("{}/", launch.folder().display());
    let (code, _, stderr) = launch.run(&[]);
    let stderr = stderr.replace(&folder, "");
    assert_eq!(code, 78, "{stderr}");
    for expected in [
        "a.toml:1:7: log holds `true`",
        "a.toml:2:16: stop_timeout holds a list",
        "a.toml:3:1: start_timeot is no setting; help: did you mean `start_timeout`?",
        "b.toml:1:",
        "c.toml:1:15: runtime_dir holds `true`",
        "c.toml:3:8: service.town ",
        "c.toml:4:9: service.books holds `\"many\"`",
        "c.toml:5:12: service.branches holds `\"north\"`",
        "`hihg`",
        "HECATE_HEALTH_ADDR holds `8470`",
    ] {
        assert!(stderr.contains(expected), "{expected} is missing: {stderr}");
    }
    assert_eq!(stderr.matches("error: ").count(), 1, "one report: {stderr}");
    assert_eq!(stderr.lines().count(), 1 + stderr.matches("; help: ").count(), "each with a way out: {stderr}");
}

#[test]
fn f4_the_environment_is_stronger_than_a_file() {
    let launch = with_file(lab(), "a.toml", "log = \"debug\"\nstop_timeout = \"40s\"\n").with("HECATE_LOG", "warn");
    let (code, listed, stderr) = launch.argument("config").run(&[]);
    assert_eq!(code, 0, "{stderr}");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<_> = listed.lines().map(words).collect();
    let log = lines.iter().position(|line| line[0] == "log").unwrap();
    assert_eq!(lines[log][..3], ["log", "warn", "environment"], "{listed}");
    assert_eq!(lines[log + 1][..2], ["over", "debug"], "{listed}");
    assert!(lines.iter().any(|line| line[..2] == ["stop_timeout", "40s"]), "{listed}");
}

#[test]
fn f4_a_file_that_is_huge_or_no_file_is_refused_at_once() {
    let huge = lab();
    let path = huge.folder().join("huge.toml");
    // A hole: it takes no room on the disk.
    fs::File::create(&path).unwrap().set_len(100 << 20).unwrap();
    let huge = huge.argument("--config").argument(path.to_str().unwrap());
    let begun = Instant::now();
    let lines = report(huge);
    assert!(lines[1].contains("huge.toml is longer than 1048576 bytes; help: "), "{lines:#?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// It was a file when the service started.
#[test]
fn f4_a_pipe_in_place_of_a_file_does_not_hang_a_reload() {
    let launch = with_file(lab(), "a.toml", "log = \"info\"\n");
    let path = launch.folder().join("a.toml");
    let mut process = launch.ready();
    fs::remove_file(&path).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    reload(&mut process);
    let line = process.wait_for_log("settings were not taken over: those from before stay");
    assert!(line["problem"].as_str().unwrap().contains("is no regular file"), "{line}");
    assert_ends_well(&mut process);
}
