//! Standard output, for people or as JSON. A pipe that nobody reads any more is no failure.

use std::io::{self, Write};

use serde::Serialize;

use crate::failure::{Failure, IO};

/// Where the result of a command goes.
#[derive(Debug)]
pub(crate) struct Output {
    is_json: bool,
}

impl Output {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// Prints a result: `text` for people, `value` for programs (one line of JSON).
    ///
    /// # Errors
    /// Standard output cannot be written, and is no closed pipe.
    pub(crate) fn result(&mut self, text: &str, value: &impl Serialize) -> Result<(), Failure> {
        if self.is_json {
            let mut line = serde_json::to_vec(value).map_err(|error| Failure::new(IO, format!("no JSON: {error}")))?;
            line.push(b'\n');
            return self.bytes(&line);
        }
        self.bytes(text.as_bytes())
    }

    /// Prints what is the same for both.
    ///
    /// # Errors
    /// As [`Output::result`].
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match io::stdout().lock().write_all(bytes) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(IO, format!("cannot print: {error}")))
            }
            _ => Ok(()),
        }
    }
}
