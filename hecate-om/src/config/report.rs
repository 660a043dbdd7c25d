//! What is wrong with a configuration: all of it, each with where it is and what to do.

use std::fmt;

use thiserror::Error;

use crate::exit;
use crate::telemetry::text::visible;

/// Something that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misconfiguration {
    place: String,
    found: String,
    help: String,
    exit_code: u8,
}

impl fmt::Display for Misconfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}; help: {}", self.place, self.found, self.help)
    }
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the configuration has {} problem{}:{}", .0.len(), if .0.len() == 1 { "" } else { "s" }, .0.iter().map(|problem| format!("\n  {problem}")).collect::<String>())]
pub(crate) struct ConfigError(Vec<Misconfiguration>);

impl ConfigError {
    /// The problems, one by one.
    pub(crate) fn problems(&self) -> &[Misconfiguration] {
        &self.0
    }

    /// The exit code of the process: that of the problems if they agree, else that of a configuration.
    pub(crate) fn exit_code(&self) -> u8 {
        let mut codes = self.0.iter().map(|problem| problem.exit_code);
        let first = codes.next().unwrap_or(exit::CONFIG);
        if codes.all(|code| code == first) { first } else { exit::CONFIG }
    }
}

/// Collects what is wrong, and what is worth a warning.
#[derive(Debug)]
pub(super) struct Report {
    /// Whether what is worth a warning is wrong.
    is_strict: bool,
    problems: Vec<Misconfiguration>,
    warnings: Vec<String>,
}

impl Report {
    pub(super) fn new(is_strict: bool) -> Self {
        Self { is_strict, problems: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn problem(&mut self, place: impl Into<String>, found: impl Into<String>, help: impl Into<String>) {
        self.problem_of(exit::CONFIG, place, found, help);
    }

    /// A problem with an exit code of its own.
    pub(super) fn problem_of(
        &mut self,
        exit_code: u8,
        place: impl Into<String>,
        found: impl Into<String>,
        help: impl Into<String>,
    ) {
        // Keys and paths stand in it as somebody wrote them.
        let line = |text: String| visible(&text);
        let (place, found, help) = (line(place.into()), line(found.into()), line(help.into()));
        let problem = Misconfiguration { place, found, help, exit_code };
        self.problems.push(problem);
    }

    /// Something that is ignored.
    pub(super) fn ignored(&mut self, place: impl Into<String>, found: &str, help: &str) {
        let place = place.into();
        if self.is_strict {
            self.problem(place, found, format!("{help}, or leave out `--strict`"));
        } else {
            self.warnings.push(visible(&format!("{place} {found} and is ignored")));
        }
    }

    /// What was read and the warnings, if nothing is wrong.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<(T, Vec<String>), ConfigError> {
        match read {
            Some(read) if self.problems.is_empty() => Ok((read, self.warnings)),
            _ => Err(ConfigError(self.problems)),
        }
    }
}
