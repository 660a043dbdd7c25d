//! Text that came from anywhere, made fit for a log: bounded, and without characters that a terminal
//! or a reader would take for something else than text.

use std::fmt::{self, Write};

/// How many bytes of one value are kept.
pub(crate) const MAX_VALUE: usize = 1024;

/// Keeps the beginning of what is written to it.
#[derive(Default)]
pub(super) struct Bounded {
    kept: String,
    whole: usize,
}

impl Bounded {
    /// What was written; `…(N bytes)` at its end tells that it was more, and how much.
    pub(super) fn finish(mut self) -> String {
        if self.whole > self.kept.len() {
            // Writing to a string cannot fail.
            let _ = write!(self.kept, "…({} bytes)", self.whole);
        }
        self.kept
    }
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Once something was left out, nothing that comes later may follow.
        if self.whole == self.kept.len() {
            let room = MAX_VALUE - self.kept.len();
            self.kept.push_str(&text[..text.floor_char_boundary(room)]);
        }
        self.whole += text.len();
        Ok(())
    }
}

/// What `value` writes of itself, bounded.
pub(super) fn bounded(value: impl fmt::Display) -> String {
    let mut text = Bounded::default();
    // A value that fails to write itself leaves what it had written.
    let _ = write!(text, "{value}");
    text.finish()
}

/// Characters that act rather than show: control characters, those that end a line, and those that
/// turn the direction of what follows. All of them have four hexadecimal digits.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text with all that acts escaped as Rust would.
pub(crate) fn visible(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    push_visible(&mut line, text);
    line
}

/// Appends `text`, with all that acts escaped as Rust would.
pub(super) fn push_visible(line: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => line.extend(c.escape_default()),
            c if acts(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
}

/// Appends `text` as a JSON string, with all that acts escaped.
pub(super) fn push_json(line: &mut String, text: &str) {
    // Text has a JSON form.
    let json = serde_json::to_string(text).unwrap_or_default();
    for c in json.chars() {
        if acts(c) {
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_between_characters() {
        assert_eq!(bounded("x".repeat(MAX_VALUE)), "x".repeat(MAX_VALUE));
        let long = format!("{}é{}", "x".repeat(MAX_VALUE - 1), "y".repeat(3000));
        assert_eq!(bounded(&long), format!("{}…(4025 bytes)", "x".repeat(MAX_VALUE - 1)));
        let mut pieces = Bounded::default();
        for piece in ["x".repeat(MAX_VALUE - 1).as_str(), "é", "late"] {
            pieces.write_str(piece).unwrap();
        }
        assert_eq!(pieces.finish(), format!("{}…({} bytes)", "x".repeat(MAX_VALUE - 1), MAX_VALUE + 5));
    }

    #[test]
    fn json_survives_what_would_act() {
        let evil = "a\"b\\c\nd\u{1b}[31m\u{7f}\u{9b}2J\u{202e}txt\u{2028}é🦀";
        let mut line = String::new();
        push_json(&mut line, evil);
        assert!(!line.chars().any(acts), "{line:?}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), evil);
    }
}
