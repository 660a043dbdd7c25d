//! `call` on this box.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use crate::{Shell, echo};

#[test]
fn a_reply_is_printed_as_it_came() {
    let process = echo().ready();
    let shell = Shell::of(&process.launch);
    let hello = r#"{"text":"hello"}"#;
    for name in ["echo.say/v1", "echo.say@1", "hecate-echo/echo.say/v1"] {
        let told = shell.run(&["call", name, hello, "--via", "box"]);
        assert_eq!((told.code, &*told.stdout), (0, "{\"text\":\"hello\",\"via\":\"box\"}\n"), "{told:?}");
    }
    let newest = shell.run(&["call", "echo.say", r#"{"text":"ho ","times":2}"#]);
    assert_eq!(newest.json()["text"], "ho ho ");
    let file = process.launch.folder().join("request.json");
    std::fs::write(&file, hello).unwrap();
    assert_eq!(shell.run(&["call", "echo.say/v1", &format!("@{}", file.display())]).json()["text"], "hello");
    assert_eq!(shell.run_with(&["call", "echo.say/v1", "-"], hello).json()["text"], "hello");
    // Whoever runs the service may call what the realm may.
    assert_eq!(shell.run(&["call", "echo.whisper", hello]).json()["text"], "hello");
}

#[test]
fn a_refusal_has_its_code_and_its_exit_code() {
    let process = echo().ready();
    let shell = Shell::of(&process.launch);
    let told = shell.run(&["call", "echo.say/v1", r#"{"text":""}"#]);
    assert_eq!((told.code, &*told.stdout), (1, ""));
    assert!(told.stderr.starts_with("error: silence: There is nothing to say"), "{}", told.stderr);
    let told = shell.run(&["call", "echo.say/v1", r#"{"txt":1}"#, "--json"]);
    let failure: Value = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!((told.code, &failure["code"], &failure["retryable"]), (1, &json!("invalid_request"), &json!(false)));
    assert_eq!(failure["details"]["line"], 1);
    assert_eq!(failure["help"], "`<service> contract` tells what it takes");

    let told = shell.run(&["call", "acme/echo.say/v1", r#"{"text":"a"}"#, "--via", "box"]);
    assert_eq!(told.code, 2, "another org is another capability: {told:?}");
    let told = shell.run(&["call", "echo.sya", "{}", "--via", "box"]);
    assert_eq!(told.code, 2);
    assert!(told.stderr.contains("no service of this box offers `echo.sya`: hecate-echo does not"), "{}", told.stderr);
    // What was probably meant is told wherever it was looked for.
    for (name, near) in [("echo.say@9", "echo.say@2"), ("ehco.slow", "echo.slow@1"), ("echo.sya", "echo.")] {
        for via in ["box", "nearest"] {
            let told = shell.run(&["call", name, "{}", "--via", via]);
            assert_eq!(told.code, 2, "{told:?}");
            assert!(told.stderr.contains(&format!("\n  help: there is `{near}")), "{told:?}");
        }
    }
    let told = shell.run(&["call", "echo.slow", r#"{"text":"a"}"#, "--timeout", "100ms"]);
    assert_eq!(told.code, 3, "{told:?}");
    for (arguments, code) in [
        (&["call", "echo.say/v1", "{bad"][..], 65),
        (&["call", "echo.say/v1", "@/nowhere/at/all"], 66),
        (&["call", "Echo"], 64),
        (&["call", "echo.say", "{}", "--via", "moon"], 64),
        (&["call", "echo.say", "{}", "--token", "/nowhere/at/all"], 66),
    ] {
        let told = shell.run(arguments);
        assert_eq!((told.code, &*told.stdout), (code, ""), "{arguments:?}: {told:?}");
        assert!(code == 64 || told.stderr.contains("\n  help: "), "{told:?}");
    }
    let told = shell.run(&["call", "echo.say", "{}", "--timeout", "soon"]);
    assert!(told.code == 64 && told.stderr.contains("write it as `30s`"), "{told:?}");
}

#[test]
fn items_are_printed_when_they_come() {
    let process = echo().ready();
    let shell = Shell::of(&process.launch);
    // It would take hours to its end.
    let mut counting = shell.start(&["call", "echo.count", r#"{"to":4000000,"rest_ms":10}"#]);
    let mut lines = BufReader::new(counting.stdout.take().unwrap()).lines();
    for number in 1..=3 {
        assert_eq!(lines.next().unwrap().unwrap(), format!("{{\"number\":{number}}}"));
    }
    assert!(counting.try_wait().unwrap().is_none());
    // Nobody reads any more: it ends by itself, and that is no failure.
    drop(lines);
    assert_eq!(counting.wait().unwrap().code(), Some(0));

    let told = shell.run(&["call", "echo.count", r#"{"to":2,"rest_ms":60000}"#, "--timeout", "100ms"]);
    assert_eq!((told.code, &*told.stdout), (3, ""), "{told:?}");
    assert_eq!(shell.run(&["call", "echo.count", r#"{"to":0}"#]).code, 1, "it refuses before the first item");
}

#[test]
fn many_requests_come_one_after_the_other() {
    let process = echo().ready();
    let shell = Shell::of(&process.launch);
    let numbers = "{\"number\":1}\n{\"number\":\n41}\n";
    assert_eq!(shell.run_with(&["call", "echo.sum", "-"], numbers).json(), json!({"sum": 42, "numbers": 2}));
    assert_eq!(shell.run(&["call", "echo.sum", numbers]).json()["sum"], 42);
    assert_eq!(shell.run_with(&["call", "echo.sum", "-"], "").json()["numbers"], 0);
    // What is broken in the middle is no shorter stream.
    let told = shell.run_with(&["call", "echo.sum", "-"], "{\"number\":1}\nx\n");
    assert_eq!((told.code, &*told.stdout), (65, ""), "{told:?}");
    assert!(told.stderr.contains("what is to be sent is no JSON"), "{}", told.stderr);
}
