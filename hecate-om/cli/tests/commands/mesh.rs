//! `call` over the mesh, as anybody there could.

use hecate_om_tests::eventually;

use crate::{Shell, Told, echo};

fn call(shell: &Shell, arguments: &[&str]) -> Told {
    shell.run(&[&["call"], arguments, &["--via", "mesh"]].concat())
}

#[test]
fn what_is_open_answers_a_stranger_of_the_mesh() {
    let process = echo().with("HECATE_MESH", "auto").ready();
    let shell = Shell::of(&process.launch);
    let hello = r#"{"text":"hello"}"#;
    // It is ready before anybody finds it.
    let said = eventually("an answer over the mesh", || {
        Some(call(&shell, &["hecate-echo/echo.say/v1", hello])).filter(|told| told.code == 0)
    });
    assert_eq!(said.json()["via"], "mesh");
    assert_eq!(
        call(&shell, &["echo.say/v1", hello]).json()["via"],
        "mesh",
        "its org is that of a service with this scope"
    );
    let newest = eventually("version 2", || {
        Some(call(&shell, &["echo.say", r#"{"text":"a","times":2}"#])).filter(|told| told.code == 0)
    });
    assert_eq!(newest.json()["text"], "aa");
    let counted =
        eventually("the stream", || Some(call(&shell, &["echo.count", r#"{"to":3}"#])).filter(|told| told.code == 0));
    assert_eq!(counted.stdout, "{\"number\":1}\n{\"number\":2}\n{\"number\":3}\n");
    let sum = eventually("the sum", || {
        Some(call(&shell, &["echo.sum", "{\"number\":1}{\"number\":2}"])).filter(|told| told.code == 0)
    });
    assert_eq!(sum.json()["sum"], 3);

    let piped = shell.run_with(&["call", "echo.say/v1", "-", "--via", "mesh"], hello);
    assert_eq!(piped.json()["text"], "hello");
    let told = call(&shell, &["acme/echo.say", hello]);
    assert!(told.code == 2 && told.stderr.contains("nobody advertises it on the mesh"), "{told:?}");
    let told = call(&shell, &["echo.say/v9", hello]);
    assert!(told.code == 2 && told.stderr.contains("nobody provides `hecate-echo/echo.say@9`"), "{told:?}");

    let told = call(&shell, &["echo.whisper", hello]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.stderr.starts_with("error: unauthorized: "), "{}", told.stderr);
    let told = call(&shell, &["echo.say/v1", r#"{"text":""}"#]);
    assert!(told.code == 1 && told.stderr.starts_with("error: silence: "), "{told:?}");
    let told = shell.run(&["call", "moon.shine", "{}"]);
    assert_eq!(told.code, 2, "{told:?}");
    assert!(told.stderr.contains("neither hecate-moon nor moon is there"), "it says where it looked: {}", told.stderr);
}

#[test]
fn without_a_station_the_call_says_so() {
    let room = tempfile::tempdir().unwrap();
    let shell = Shell::new(room.path());
    let told = call(&shell, &["echo.say", "{}"]);
    assert_eq!(told.code, 2, "{told:?}");
    assert!(told.stderr.contains("no station is set, and no service of this box runs one"), "{}", told.stderr);
    let told = call(&Shell::new(room.path()).with("HECATE_MESH", "off"), &["echo.say", "{}"]);
    assert!(told.code == 2 && told.stderr.contains("HECATE_MESH is `off`\n  help: unset it"), "{told:?}");
}
