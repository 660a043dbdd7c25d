//! Contracts, as locks hold them: read from files and programs, and what differs between two, told.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use hecate_om::contract_lock::{Change, ContractLock, Faults, MAX_BYTES};
use serde_json::Value;

use crate::failure::{DATA, Failure, IO, NO_INPUT, SOFTWARE};
use crate::inspect::Program;
use crate::output::visible;
use crate::program::ask;
use crate::project::{How, Project};

/// What a contract is read from.
const HELP: &str = "give a `contract.lock.json`, what `<service> contract` printed, or the program of a service";
/// How many of the things that are wrong with a contract are told.
const MOST_TOLD: usize = 10;

/// Reads a lock, a printed contract, or the program of a service, whichever stands at a path.
///
/// # Errors
/// It is none of them, and what it is.
pub(crate) fn read(path: &Path) -> Result<ContractLock, Failure> {
    let found = std::fs::metadata(path).map_err(|error| unreadable(path, &error).help(HELP))?;
    let no_contract =
        |what: &str| Failure::new(DATA, format!("`{}` is no contract: it is {what}", path.display())).help(HELP);
    if found.is_dir() {
        return Err(no_contract("a folder"));
    }
    match Program::at(path)? {
        Program::OfService => return of_program(path),
        Program::OfNoService => return Err(no_contract("a program or a library that runs no service")),
        Program::None => {}
    }
    let bytes = bytes(path).map_err(|error| unreadable(path, &error))?;
    let is_text = |text: &String| !text.contains(|c: char| c.is_control() && !c.is_whitespace());
    let text = String::from_utf8(bytes).ok().filter(is_text);
    let text = text.ok_or_else(|| no_contract("neither a program nor a text"))?;
    ContractLock::of_either(&text).map_err(|faults| match other(&text) {
        Some(what) => no_contract(&what),
        None => Failure::new(DATA, format!("`{}` cannot be read:\n{}", path.display(), indented(&faults))).help(
            "take it back from version control, or have it written anew by `hecate-om lock` or `<service> contract`",
        ),
    })
}

/// What a text is that does not even claim to be a contract.
fn other(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("empty".to_owned());
    }
    if text.starts_with("#!") {
        return Some("a script".to_owned());
    }
    // Of one that is too large, or a contract that was cut off, the parser tells.
    let document: Value = match serde_json::from_str(text) {
        Ok(document) => document,
        Err(_) if text.trim_start().starts_with('{') || text.len() > MAX_BYTES => return None,
        Err(_) => return Some("a text that is no JSON".to_owned()),
    };
    match document.get("schema").and_then(Value::as_str) {
        Some(schema) if schema.starts_with("hecate.contract") => None,
        Some(schema) if schema.starts_with("hecate.manifest/") => Some("the manifest of a service".to_owned()),
        Some(schema) => Some(format!("JSON of the schema `{}`", visible(schema))),
        None if document.get("openapi").is_some() => Some("a document of OpenAPI".to_owned()),
        None => Some("JSON without a `schema` that says so".to_owned()),
    }
}

/// The lock at a path; nothing where there is none.
pub(crate) fn lock_at(path: &Path) -> Result<Option<ContractLock>, Failure> {
    let bytes = match bytes(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| unreadable(path, &error))?,
    };
    let damaged = |what: String| {
        Failure::new(DATA, format!("`{}` cannot be read:\n{what}", path.display()))
            .help("take it back from version control, or remove it and run `hecate-om lock`")
    };
    let text = String::from_utf8(bytes).map_err(|_| damaged("  it is no text".to_owned()))?;
    ContractLock::parse(&text).map(Some).map_err(|faults| damaged(indented(&faults)))
}

/// What the services promise that the programs of a package run now; it is built for that, whatever its lock says.
///
/// # Errors
/// It does not build, or runs no service.
pub(crate) fn of_project(project: &Project, arguments: &[OsString]) -> Result<ContractLock, Failure> {
    let built = project.build(How { is_lock_lifted: true, arguments, ..How::default() })?;
    let mut contracts = ContractLock::default();
    for program in built.services.iter().filter_map(|service| service.program.as_deref()) {
        contracts.services.extend(of_program(program)?.services);
    }
    if contracts.services.is_empty() {
        let what = format!("no program of package `{}` runs a service", project.package);
        return Err(Failure::new(DATA, what).help("give it a `main` that is `hecate_om::run::<MyService>()`"));
    }
    Ok(contracts)
}

/// What a program says that its service promises. Only one that says in its record that it runs a service is asked.
fn of_program(program: &Path) -> Result<ContractLock, Failure> {
    let failed = |why: String| Failure::new(SOFTWARE, format!("`{} contract` {why}", program.display()));
    let answer = ask(program, "contract", MAX_BYTES as u64 + 1).map_err(|error| failed(error.to_string()))?;
    if !answer.status.success() {
        return Err(failed(format!("failed ({}): {}", answer.status, escaped(&answer.complaint))));
    }
    let text = String::from_utf8(answer.printed).map_err(|_| failed("printed what is no text".to_owned()))?;
    ContractLock::of_contract(&text).map_err(|faults| {
        failed(format!("printed what is no contract: {}", escaped(&faults.to_string())))
            .help("build it with the version of `hecate-om` that this command is of")
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let code = if error.kind() == io::ErrorKind::NotFound { NO_INPUT } else { IO };
    Failure::new(code, format!("cannot read `{}`: {error}", path.display()))
}

/// As much of a file as a contract can have; of more the parser tells.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A line for each of the first faults.
fn indented(faults: &Faults) -> String {
    let text = faults.to_string();
    let mut lines: Vec<String> = text.lines().take(MOST_TOLD).map(|line| format!("  {}", visible(line))).collect();
    let left_out = text.lines().count().saturating_sub(MOST_TOLD);
    if left_out > 0 {
        lines.push(format!("  and {left_out} more"));
    }
    lines.join("\n")
}

/// Changes for people, what breaks callers first.
pub(crate) fn told(changes: &[Change]) -> String {
    let mut text = String::new();
    let mut services: Vec<&str> = changes.iter().map(|change| change.service.as_str()).collect();
    services.dedup();
    for service in services {
        let _ = writeln!(text, "{service}");
        let of_service = changes.iter().filter(|change| change.service == service);
        let (breaking, others): (Vec<&Change>, Vec<&Change>) = of_service.partition(|change| change.breaking);
        for change in breaking.into_iter().chain(others) {
            let mark = if change.breaking { "breaking" } else { "ok      " };
            let _ = writeln!(text, "  {mark}  {change}");
        }
    }
    escaped(&text)
}

/// Names may come from contracts of others: nothing of them reaches a terminal but as text.
fn escaped(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use hecate_om::contract_lock::changes;
    use serde_json::{Value, json};

    use super::*;

    fn lock(name: &str, request: &Value) -> ContractLock {
        let say =
            json!({"name": name, "version": 1, "kind": "unary", "refusals": [], "request": request, "reply": true});
        let document =
            json!({"schema": "hecate.contract.lock/1", "services": {"hecate-echo": {"capabilities": [say]}}});
        ContractLock::parse(&document.to_string()).unwrap()
    }

    #[test]
    fn what_breaks_is_told_first_and_nothing_reaches_a_terminal_but_text() {
        let field = |kind: &str| json!({"type": "object", "properties": {"text": {"type": kind}}});
        let mut new = field("integer");
        new["properties"]["\u{202e}b"] = json!({"enum": ["\u{202e}"]});
        let told = told(&changes(&lock("echo.say", &field("string")), &lock("echo.say", &new)));
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], "hecate-echo");
        assert!(lines[1].starts_with("  breaking  capability `echo.say@1`, request, `$.text`: was a string"), "{told}");
        assert!(lines[2..].iter().all(|line| line.starts_with("  ok        ")), "{told}");
        assert!(!told.contains('\u{202e}'), "{told}");
    }

    #[test]
    fn a_contract_is_read_from_a_lock_and_what_is_none_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        assert_eq!(read(&path).unwrap_err().exit_code(), NO_INPUT);
        assert!(lock_at(&path).unwrap().is_none());
        std::fs::write(&path, lock("echo.say", &json!(true)).to_json()).unwrap();
        assert_eq!(read(&path).unwrap(), lock("echo.say", &json!(true)));
        for (wrong, what) in [
            (&b"{}"[..], "is no contract: it is JSON without a `schema`"),
            (b"", "is no contract: it is empty"),
            (b" \n", "is no contract: it is empty"),
            (b"not JSON", "is no contract: it is a text that is no JSON"),
            (b"#!/bin/sh\necho", "is no contract: it is a script"),
            (b"\xff\xfe", "is no contract: it is neither a program nor a text"),
            (b"\x7fELF", "is no contract: it is neither a program nor a text"),
            (b"\0\0", "is no contract: it is neither a program nor a text"),
            (b"[1]", "is no contract: it is JSON without a `schema`"),
            (b"{\"schema\":\"hecate.manifest/1\"}", "is no contract: it is the manifest of a service"),
            (b"{\"schema\":\"moon/1\"}", "is no contract: it is JSON of the schema `moon/1`"),
            (b"{\"openapi\":\"3.1.0\"}", "is no contract: it is a document of OpenAPI"),
            (b"{\"schema\":\"hecate.contract.lock/2\"}", "cannot be read:\n  schema: "),
            (b"{\"schema\":\"hecate.contr", "cannot be read:\n  not JSON: "),
        ] {
            std::fs::write(&path, wrong).unwrap();
            let failure = read(&path).unwrap_err();
            assert_eq!(failure.exit_code(), DATA);
            let told = failure.told(false);
            assert!(told.contains(&format!("a.json` {what}")), "{told}");
            let is_claimed = what.starts_with("cannot be read");
            let help = if is_claimed { "take it back from version control, or have it written anew" } else { HELP };
            assert!(told.contains(&format!("\n  help: {help}")), "{told}");
            assert_eq!(lock_at(&path).unwrap_err().exit_code(), DATA);
        }
        assert!(read(folder.path()).unwrap_err().told(false).contains("it is a folder"));
        let services: serde_json::Map<String, Value> =
            (0..50).map(|number| (format!("hecate-{number}"), json!(null))).collect();
        let many = json!({"schema": "hecate.contract.lock/1", "services": services});
        std::fs::write(&path, many.to_string()).unwrap();
        let told = read(&path).unwrap_err().told(false);
        assert!(told.lines().count() == MOST_TOLD + 3 && told.contains("\n  and 40 more\n"), "{told}");
    }
}
