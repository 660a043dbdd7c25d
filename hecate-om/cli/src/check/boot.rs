//! What a boot would find with the settings of this shell: the service itself says so.

use std::path::Path;

use super::{Findings, Level};
use crate::program::ask;

/// How much of what it says is read.
const MOST_BYTES: u64 = 1024 * 1024;

pub(super) fn look(program: Option<&Path>, findings: &mut Findings) {
    let Some(program) = program else { return own(findings) };
    match ask(program, "check", MOST_BYTES) {
        Ok(answer) => lines(&String::from_utf8_lossy(&answer.printed), findings),
        Err(error) => {
            findings.error("service", &format!("`{} check` {error}", program.display()), "run it with `check`");
        }
    }
}

/// Each line has a level and a subject, in columns of 7 and 15 characters, and what was found.
fn lines(text: &str, findings: &mut Findings) {
    let before = findings.all.len();
    for line in text.lines() {
        let (Some(level), Some(rest)) = (line.get(..7), line.get(7..)) else { continue };
        let level = match level.trim_end() {
            "ok" => Level::Ok,
            "note" => Level::Note,
            "error" => Level::Error,
            _ => continue,
        };
        let (subject, what) = rest.split_at_checked(15).unwrap_or((rest, ""));
        findings.told(level, subject.trim_end(), what);
    }
    if findings.all.len() == before {
        findings.error("service", "says nothing that is understood of its settings", "run it with `check`");
    }
}

/// Without a service, the settings that every service reads.
fn own(findings: &mut Findings) {
    match hecate_om::outside::Outside::from_env() {
        Ok(outside) => {
            findings.ok("settings", "those that every service reads are well");
            outside.warnings().iter().for_each(|warning| findings.told(Level::Note, "settings", warning));
        }
        Err(error) => error.problems().for_each(|problem| findings.told(Level::Error, "settings", &problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_says_is_taken_over() {
        let mut findings = Findings::default();
        lines(
            "ok     configuration  20 settings\nnote   data folder    /x is not there; it will be made\n\
             error  health         port 1 is taken; help: set HECATE_HEALTH_ADDR\n\n`run` would end with exit code 75\n",
            &mut findings,
        );
        let told: Vec<_> = findings
            .all
            .iter()
            .map(|found| (found.level, &*found.subject, &*found.what, found.help.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                (Level::Ok, "configuration", "20 settings", None),
                (Level::Note, "data folder", "/x is not there; it will be made", None),
                (Level::Error, "health", "port 1 is taken", Some("set HECATE_HEALTH_ADDR")),
            ]
        );
    }
}
