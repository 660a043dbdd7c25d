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
            return self.bytes(&line).map(|_| ());
        }
        self.bytes(text.as_bytes()).map(|_| ())
    }

    /// Prints what is the same for both, at once; tells whether anybody reads it.
    ///
    /// # Errors
    /// As [`Output::result`].
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(IO, format!("cannot print: {error}")))
            }
            Err(_) => Ok(false),
            Ok(()) => Ok(true),
        }
    }
}

/// A text from outside with all that acts on a terminal escaped: control characters, ends of lines, and what
/// turns the direction of a text.
pub(crate) fn visible(text: &str) -> String {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if acts(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// Rows whose columns stand under each other, each line after `indent`.
pub(crate) fn table<const N: usize>(rows: &[[String; N]], indent: &str) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect();
        format!("{indent}{}\n", cells.trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_shown() {
        assert_eq!(visible("grün\u{1b}[2J\n\u{202e}x"), "grün\\u{1b}[2J\\n\\u{202e}x");
    }

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [["a".to_owned(), "bb".to_owned()], ["cccc".to_owned(), String::new()]];
        assert_eq!(table(&rows, " "), " a     bb\n cccc\n");
    }
}
