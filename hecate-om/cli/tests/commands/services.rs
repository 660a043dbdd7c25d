//! `services`: what runs, what does not, and what cannot be told.

use std::os::unix::net::UnixListener;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{Shell, echo};

fn of_name<'a>(told: &'a Value, name: &str) -> &'a Value {
    told["services"].as_array().unwrap().iter().find(|service| service["name"] == name).unwrap()
}

#[test]
fn a_service_is_listed_with_its_health_and_a_killed_one_as_dead() {
    let mut process = echo().ready();
    let shell = Shell::of(&process.launch);
    let told = shell.run(&["services", "--json"]);
    assert_eq!(told.code, 0, "{told:?}");
    let told = told.json();
    let service = of_name(&told, "hecate-echo");
    assert_eq!((&service["state"], &service["version"]), (&json!("running"), &json!(env!("CARGO_PKG_VERSION"))));
    assert_eq!((&service["pid"], &service["health"]["status"]), (&json!(process.pid()), &json!("ok")));
    assert!(service["health"]["uptime_s"].is_u64());
    let count = service["capabilities"].as_array().unwrap().iter().find(|offer| offer["name"] == "echo.count").unwrap();
    assert_eq!(
        (&count["version"], &count["kind"], &count["access"]),
        (&json!(1), &json!("server_stream"), &json!("open"))
    );
    let text = shell.run(&["services", "--capabilities"]).stdout;
    assert!(text.starts_with("NAME ") && text.contains("\nhecate-echo  ") && text.contains("echo.say@2"), "{text}");

    process.signal(Signal::KILL);
    process.exit_code();
    let told = shell.run(&["services"]);
    assert_eq!(told.code, 0);
    assert!(told.stdout.contains(" dead ") && told.stdout.contains("nobody listens at "), "{}", told.stdout);
    assert_eq!(of_name(&shell.run(&["services", "--json"]).json(), "hecate-echo")["state"], "dead");
    let told = shell.run(&["call", "echo.say/v1", "{}", "--via", "box"]);
    assert_eq!(told.code, 2, "{told:?}");
}

#[test]
fn where_nothing_runs_that_is_no_failure() {
    let room = tempfile::tempdir().unwrap();
    let shell = Shell::new(room.path().join("none"));
    let told = shell.run(&["services"]);
    assert_eq!((told.code, &*told.stderr), (0, ""));
    assert!(told.stdout.starts_with("no service runs on this box, as far as "), "{}", told.stdout);
    assert_eq!(shell.run(&["services", "--json"]).json()["services"], json!([]));
    let told = shell.run(&["call", "echo.say", "{}", "--via", "box", "--json"]);
    assert_eq!((told.code, &*told.stdout), (2, ""));
    let failure: Value = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!((&failure["exit_code"], &failure["capability"]), (&json!(2), &json!("echo.say")));
}

#[test]
fn who_says_nothing_is_silent_and_keeps_nobody_waiting() {
    let room = tempfile::tempdir().unwrap();
    let socket = room.path().join("hecate-odd/sockets/api.sock");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let _listener = UnixListener::bind(&socket).unwrap();
    let told = Shell::new(room.path()).run(&["services", "--json"]);
    let told = told.json();
    let odd = of_name(&told, "hecate-odd");
    assert_eq!(odd["state"], "silent");
    assert!(odd["why"].as_str().unwrap().contains("does not answer"), "{odd}");
}

#[test]
fn a_wrong_command_line_is_told_in_the_form_that_was_asked_for() {
    let shell = Shell::new("/");
    let told = shell.run(&["servces"]);
    assert!(told.code == 64 && told.stderr.contains("'services'"), "it says what was meant: {told:?}");
    let told = shell.run(&["servces", "--json"]);
    let failure: Value = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!((told.code, &failure["exit_code"]), (64, &json!(64)));
    assert!(failure["error"].as_str().unwrap().contains("servces"), "{failure}");
    let help = shell.run(&["call", "--help"]);
    assert!(help.code == 0 && help.stdout.contains("\nExit codes:\n"), "{help:?}");
    assert_eq!(shell.run(&["help", "call"]).stdout, help.stdout);
    assert_eq!(shell.run(&["help"]).stdout, shell.run(&["--help"]).stdout);
}

#[test]
fn settings_that_are_wrong_are_told_as_a_service_would() {
    let told = Shell::new("/").with("HECATE_RESOLVE", "everywhere").run(&["services"]);
    assert_eq!(told.code, 78, "{told:?}");
    assert!(told.stderr.contains("HECATE_RESOLVE holds `everywhere`"), "{}", told.stderr);
}
