//! What went wrong: what, where, what to do, and the exit code for it (`sysexits.h`, as a service's own).

use serde_json::{Value, json};

/// The answer is no.
pub(crate) const NO: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 64;
/// What was given cannot be read.
pub(crate) const DATA: u8 = 65;
/// There is no such file.
pub(crate) const NO_INPUT: u8 = 66;
/// A program that this one needs failed, or this one did.
pub(crate) const SOFTWARE: u8 = 70;
/// The settings are wrong.
#[cfg(feature = "macula")]
pub(crate) const CONFIG: u8 = 78;
/// Starting again may help.
#[cfg(feature = "macula")]
pub(crate) const TRY_AGAIN: u8 = 75;
/// The system refused a thread.
pub(crate) const OS: u8 = 71;
/// A file or folder cannot be made.
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
    /// What programs are told besides.
    further: Vec<(&'static str, Value)>,
}

impl Failure {
    pub(crate) fn new(exit_code: u8, what: impl Into<String>) -> Self {
        Self { what: what.into(), help: None, exit_code, further: Vec::new() }
    }

    /// Of a text as the runtime writes them: what is wrong, `; help: `, and what to do.
    pub(crate) fn of_text(exit_code: u8, text: &str) -> Self {
        match text.split_once("; help: ") {
            Some((what, help)) => Self::new(exit_code, what).help(help),
            None => Self::new(exit_code, text),
        }
    }

    /// With what to do about it, to be typed where possible.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// With something more for programs.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.further.push((name, value.into()));
        self
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// As it is printed to standard error.
    pub(crate) fn told(&self, as_json: bool) -> String {
        match &self.help {
            _ if as_json => {
                let mut told = json!({"error": self.what, "help": self.help, "exit_code": self.exit_code});
                self.further.iter().for_each(|(name, value)| told[*name] = value.clone());
                told.to_string()
            }
            Some(help) => format!("error: {}\n  help: {help}", self.what),
            None => format!("error: {}", self.what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_apart_from_what_is_wrong() {
        let failure = Failure::of_text(NO, "it is off; help: unset it");
        assert_eq!(failure.told(false), "error: it is off\n  help: unset it");
        let told: Value = serde_json::from_str(&failure.told(true)).unwrap();
        assert_eq!(told, json!({"error": "it is off", "help": "unset it", "exit_code": 1}));
        assert_eq!(Failure::of_text(NO, "it is off").told(false), "error: it is off");
    }
}
