//! Contracts, as locks hold them: read from files and programs, and what differs between two, told.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use hecate_om::contract_lock::{Change, ContractLock, MAX_BYTES};

use crate::failure::{DATA, Failure, IO, NO_INPUT, SOFTWARE};
use crate::inspect::runs_service;
use crate::output::visible;
use crate::program::ask;
use crate::project::{How, Project};

/// Reads a lock, a printed contract, or the program of a service, whichever stands at a path.
pub(crate) fn read(path: &Path) -> Result<ContractLock, Failure> {
    if runs_service(path)? {
        return of_program(path);
    }
    let text = text(path).map_err(|error| unreadable(path, &error))?;
    ContractLock::of_either(&text).map_err(|faults| {
        Failure::new(DATA, format!("`{}` is no contract:\n{}", path.display(), indented(&faults.to_string())))
            .help("give a `contract.lock.json`, what `<service> contract` printed, or the program of a service")
    })
}

/// The lock at a path; nothing where there is none.
pub(crate) fn lock_at(path: &Path) -> Result<Option<ContractLock>, Failure> {
    let text = match text(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| unreadable(path, &error))?,
    };
    let lock = ContractLock::parse(&text).map_err(|faults| {
        Failure::new(DATA, format!("`{}` cannot be read:\n{}", path.display(), indented(&faults.to_string())))
            .help("take it back from version control, or remove it and run `hecate-om lock`")
    })?;
    Ok(Some(lock))
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

/// A text of a size that a contract can have; of more the parser tells.
fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
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
        for wrong in ["{}", "", "not JSON"] {
            std::fs::write(&path, wrong).unwrap();
            assert_eq!(read(&path).unwrap_err().exit_code(), DATA);
            assert_eq!(lock_at(&path).unwrap_err().exit_code(), DATA);
        }
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(read(&path).unwrap_err().exit_code(), IO);
    }
}
