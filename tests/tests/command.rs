//! The command line of a service, as people and scripts use it.

use hecate_om_tests::{Gate, Launch};
use rustix::process::Signal;
use serde_json::{Value, json};

fn lab() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-lab"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn what_is_in_the_binary_is_printed_without_a_service() {
    let (code, manifest, stderr) = lab().run(&["manifest"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(json(&manifest)["name"], "hecate-lab");
    assert_eq!(manifest, hecate_om_tests::Lab::MANIFEST, "byte for byte");

    let (code, contract, stderr) = lab().run(&["contract"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(json(&contract).is_object() && contract.contains("lab.say"), "{contract}");
}

#[test]
fn help_and_version_tell_what_there_is() {
    for arguments in [&["--help"][..], &["-h"], &["help"], &["run", "--help"]] {
        let (code, help, _) = lab().run(arguments);
        assert_eq!(code, 0, "{arguments:?}");
        for word in [
            "usage: hecate-lab",
            "health",
            "call",
            "limits",
            "manifest",
            "contract",
            "HECATE_STOP_TIMEOUT",
            "--strict",
            "exit codes",
        ] {
            assert!(help.contains(word), "{word} is missing:\n{help}");
        }
    }
    let (_, help, _) = Launch::of(env!("CARGO_BIN_EXE_hecate-shelves")).service("hecate-library").run(&["--help"]);
    let own = help.split_once("settings of this service").unwrap().1;
    for words in ["LIBRARY_TOWN ", "a text; needed", "The town of the library.", "without it: 5", "`soft` or `loud`"] {
        assert!(own.contains(words), "{words} is missing:\n{help}");
    }
    for flag in ["--version", "-V"] {
        let (code, version, _) = lab().run(&[flag]);
        assert_eq!((code, version), (0, format!("hecate-lab {}\n", env!("CARGO_PKG_VERSION"))));
    }
}

#[test]
fn a_typing_mistake_is_told_with_what_may_have_been_meant() {
    for (arguments, said) in [
        (&["helth"][..], "unknown command `helth`; did you mean `health`?"),
        (&["manifset"], "did you mean `manifest`?"),
        (&["frobnicate"], "unknown command `frobnicate`"),
        (&["health", "--redy"], "unknown option `--redy`; did you mean `--ready`?"),
        (&["--confg", "x.toml"], "unknown option `--confg`; did you mean `--config`?"),
        (&["run", "--config"], "`--config` takes a TOML file"),
        (&["manifest", "--strict"], "`--strict` goes with `run`, `check`, `config`"),
        (&["chekc"], "did you mean `check`?"),
        (&["manifest", "now"], "`manifest` takes nothing more, found `now`"),
        (&["--ready", "manifest"], "`--ready` goes with `health`"),
        (&["call"], "call greeter.greet"),
        (&["limits", "lab.say", "--totl", "1/1s"], "did you mean `--total`?"),
        (&["limits", "lab.say", "--total", "many"], "takes a rate, such as 100/10s, found `many`"),
        (&["limits", "--concurrency", "1"], "which capability?"),
        (&["call", "lab.say@x"], "`lab.say@x` is no capability"),
        (&["call", "lab.say@70000"], "a version is 1 to 65535"),
        (&["call", "lab say@1", "{}"], "`lab say@1` is no capability"),
    ] {
        let (code, stdout, stderr) = lab().run(arguments);
        assert_eq!((code, stdout.as_str()), (64, ""), "{arguments:?}");
        assert!(stderr.starts_with("error: ") && stderr.contains(said), "{arguments:?}: {stderr}");
        assert!(stderr.contains("help: "), "{stderr}");
    }
}

#[test]
fn health_tells_a_script_by_its_exit_code() {
    let (code, stdout, stderr) = lab().run(&["health"]);
    assert_eq!((code, stdout.as_str()), (2, ""), "nobody runs");
    assert!(stderr.contains("hecate-lab is not running") && stderr.contains("health.addr"), "{stderr}");

    for (how, code, ready) in [("ok", 0, 0), ("degraded", 3, 0), ("down", 1, 1)] {
        let process = lab().with("LAB_HEALTH", how).ready();
        let (found, report, _) = process.launch.run(&["health"]);
        assert_eq!((found, &json(&report)["status"]), (code, &json!(how)));
        let (found, report, _) = process.launch.run(&["health", "--ready"]);
        assert_eq!((found, &json(&report)["status"]), (ready, &json!(how)));
    }

    let mut dead = lab().ready();
    dead.signal(Signal::KILL);
    dead.exit_code();
    let (code, _, stderr) = dead.launch.run(&["health"]);
    assert_eq!(code, 2, "where it was is still written: {stderr}");
}

#[test]
fn health_of_a_service_that_starts_or_drains_is_not_ready() {
    let gate = Gate::closed();
    let mut process = lab().with("LAB_START", format!("slow:{}", gate.path())).start();
    gate.wait_for(1);
    process.health_address();
    for arguments in [&["health"][..], &["health", "--ready"]] {
        let (code, report, _) = process.launch.run(arguments);
        assert_eq!((code, &json(&report)["status"]), (1, &json!("starting")));
    }
    gate.open();
    process.wait_for_log("ready");

    let gate = Gate::closed();
    let mut wire = process.wire();
    wire.ask("POST", "/capabilities/lab.hold/v1", gate.request());
    gate.wait_for(1);
    process.signal(Signal::TERM);
    process.wait_for_log("stopping");
    hecate_om_tests::eventually("the drain", || {
        let (code, report, _) = process.launch.run(&["health", "--ready"]);
        (code == 1 && json(&report)["status"] == "draining").then_some(())
    });
    gate.open();
    assert_eq!(process.exit_code(), 0);
}

#[test]
fn call_prints_the_reply_and_tells_a_refusal_by_its_exit_code() {
    let process = lab().ready();
    let (code, reply, stderr) = process.launch.run(&["call", "lab.say@1", r#"{"text":"hello"}"#]);
    assert_eq!((code, reply.as_str(), stderr.as_str()), (0, "{\"text\":\"hello\"}\n", ""));
    let (code, reply, _) = process.launch.run(&["call", "lab.say", r#"{"text":"a"}"#]);
    assert_eq!((code, reply.as_str()), (0, "{\"text\":\"aa\"}\n"), "the newest version");
    let (code, reply, _) = process.launch.run(&["call", "lab.nothing"]);
    assert_eq!((code, reply.as_str()), (0, "{}\n"));

    for (call, request, said) in [
        ("lab.say", "{", "invalid_request"),
        ("lab.say@2", "{}", "unsupported_version"),
        ("lab.sya", "{}", "did you mean `lab.say`?"),
        ("lab.fail", "{}", "internal"),
        ("lab.say", r#"["a"]"#, "a request is a JSON object"),
        ("lab.say@2", "{}", "details: {\"name\":\"lab.say\",\"versions\":[1,3]}"),
    ] {
        let (code, stdout, stderr) = process.launch.run(&["call", call, request]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{call}");
        assert!(stderr.starts_with("error: ") && stderr.contains(said), "{call}: {stderr}");
    }

    let (code, _, stderr) = lab().run(&["call", "lab.say", "{}"]);
    assert_eq!(code, 2, "nobody is there");
    assert!(stderr.contains("api.sock") && stderr.contains("hecate-lab run`"), "{stderr}");
}

#[test]
fn limits_are_shown_and_changed_by_the_command_and_every_change_is_told() {
    let (code, _, stderr) = lab().run(&["limits"]);
    assert_eq!(code, 2, "nobody is there");
    assert!(stderr.contains("api.sock") && stderr.contains("hecate-lab run`"), "{stderr}");

    let process = lab().ready();
    let (code, table, stderr) = process.launch.run(&["limits"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(
        table.starts_with("CAPABILITY ") && table.contains("lab.say@1 ") && table.contains("lab.hold@1 "),
        "{table}"
    );
    let changing = ["limits", "lab.say@1", "--concurrency", "10", "--per-caller", "100/10s", "--payload", "1KiB"];
    let (code, table, _) = process.launch.run(&changing);
    assert_eq!(code, 0, "{table}");
    let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[1], ["lab.say@1", "payload", "1MiB", "1KiB", "0"]);
    assert_eq!(words[3], ["concurrency", "1024", "10", "0", "0"]);
    assert_eq!(words[4], ["per-caller", "600/10s", "100/10s", "0"]);
    let large = json!({"text": "x".repeat(2000)}).to_string();
    assert!(process.launch.run(&["call", "lab.say@1", &large]).2.contains("payload_too_large"));
    let (_, shown, _) = process.launch.run(&["limits", "lab.say@1", "--json"]);
    let shown = &json(&shown)["capabilities"][0];
    assert_eq!((&shown["current"]["concurrency"], &shown["refused"]["payload_bytes"]), (&json!(10), &json!(1)));

    let (code, stdout, stderr) = process.launch.run(&["limits", "lab.say@1", "--concurrency", "2000", "--reply", "0"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("from 1 to 1024, found `2000`") && stderr.contains("`reply_bytes`"), "{stderr}");
    let (code, _, stderr) = process.launch.run(&["limits", "lab.sya"]);
    assert!(code == 64 && stderr.contains("no capability `lab.sya@1` is here"), "{code} {stderr}");

    let audited = hecate_om_tests::eventually("both lines", || {
        let lines: Vec<_> = process.log().into_iter().filter(|line| line["target"] == "hecate_om::audit").collect();
        (lines.len() == 2).then_some(lines)
    });
    let uid = rustix::process::geteuid().as_raw();
    for (line, message) in audited.iter().zip(["limits were changed", "limits were not changed"]) {
        assert_eq!((&line["message"], &line["level"], &line["uid"]), (&json!(message), &json!("INFO"), &json!(uid)));
        assert_eq!((&line["capability"], &line["capability_version"]), (&json!("lab.say"), &json!(1)));
    }
    assert_eq!(audited[0]["from"], "payload_bytes 1048576, concurrency 1024, per_caller 600 calls in 10s");
    assert_eq!(audited[0]["to"], "payload_bytes 1024, concurrency 10, per_caller 100 calls in 10s");

    // What was changed is gone with the process.
    drop(process);
    let process = lab().ready();
    let (_, shown, _) = process.launch.run(&["limits", "lab.say@1", "--json"]);
    let shown = &json(&shown)["capabilities"][0];
    assert_eq!(shown["current"], shown["declared"]);
}

#[test]
fn an_internal_error_tells_its_caller_the_call_id_to_look_for() {
    let process = lab().ready();
    let (code, _, stderr) = process.launch.run(&["call", "lab.fail"]);
    assert_eq!(code, 1);
    let logged =
        hecate_om_tests::eventually("the log", || process.log().into_iter().find(|line| line["level"] == "ERROR"));
    let id = logged["call_id"].as_str().unwrap();
    assert!(stderr.contains(id), "{id} is not in: {stderr}");
}

#[test]
fn what_is_printed_to_nobody_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut process = lab().argument("contract").start_writing_to(writer.into(), std::process::Stdio::piped());
    assert_eq!((process.exit_code(), process.stderr().as_str()), (0, ""));
}
