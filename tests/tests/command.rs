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
