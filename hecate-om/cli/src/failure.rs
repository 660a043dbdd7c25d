//! What went wrong: what, where, what to do, and the exit code for it (`sysexits.h`, as a service's own).

use serde_json::json;

/// The command line is wrong.
pub(crate) const USAGE: u8 = 64;
/// A file is not what it should be.
pub(crate) const DATA: u8 = 65;
/// A file that should be there is missing.
pub(crate) const NO_INPUT: u8 = 66;
/// A program of somebody else's failed: cargo, or a service.
pub(crate) const SOFTWARE: u8 = 70;
/// A file cannot be made.
pub(crate) const CANNOT_CREATE: u8 = 73;
/// Reading or writing failed.
pub(crate) const IO: u8 = 74;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Failure {
    what: String,
    help: Option<String>,
    exit_code: u8,
}

impl Failure {
    pub(crate) fn new(exit_code: u8, what: impl Into<String>) -> Self {
        Self { what: what.into(), help: None, exit_code }
    }

    /// With what to do about it, to be typed where possible.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// As it is printed to standard error.
    pub(crate) fn told(&self, as_json: bool) -> String {
        match &self.help {
            _ if as_json => json!({"error": self.what, "help": self.help, "exit_code": self.exit_code}).to_string(),
            Some(help) => format!("error: {}\n  help: {help}", self.what),
            None => format!("error: {}", self.what),
        }
    }
}
