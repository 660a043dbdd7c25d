//! The two forms of a log line: for a person at a terminal, and for a machine.

use std::fmt::Write as _;
use std::time::SystemTime;

use tracing::Level;

use super::Audience;
use super::record::{Record, Value};
use super::text::{acts, push_json, push_visible};

/// The longest line, in bytes, its end included.
pub(crate) const MAX_LINE: usize = 16 * 1024;

/// What the end of a line takes, with the number of fields that found no room.
const END: usize = 64;

/// The longest target, in bytes: the path of a module, as a rule.
const MAX_TARGET: usize = 256;

const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// How lines are written, and what all of them say.
#[derive(Debug, Clone)]
pub(super) struct Format {
    pub(super) audience: Audience,
    /// Whether the terminal shows colours.
    pub(super) colour: bool,
    pub(super) service: &'static str,
    pub(super) version: &'static str,
    pub(super) instance: &'static str,
}

impl Format {
    /// One line, with its end.
    pub(super) fn line(&self, level: Level, target: &str, mut record: Record, at: SystemTime) -> Vec<u8> {
        record.arrange();
        let line = match self.audience {
            Audience::Person => self.person(level, &record, at),
            Audience::Machine => self.machine(level, target, &record, at),
        };
        line.into_bytes()
    }

    fn machine(&self, level: Level, target: &str, record: &Record, at: SystemTime) -> String {
        let mut line = String::with_capacity(512);
        let _ = write!(line, r#"{{"timestamp":"{}""#, humantime::format_rfc3339_micros(at));
        let fixed = [
            ("level", level.as_str()),
            ("message", &record.message),
            ("target", &target[..target.floor_char_boundary(MAX_TARGET)]),
            ("service", self.service),
            ("version", self.version),
            ("instance", self.instance),
        ];
        for (name, value) in fixed {
            let _ = write!(line, r#","{name}":"#);
            push_json(&mut line, value);
        }
        let omitted = append(&mut line, record, |line, name, value| {
            line.push(',');
            push_json(line, name);
            line.push(':');
            match value {
                Value::Text(text) => push_json(line, text),
                Value::Float(number) if !number.is_finite() => push_json(line, &number.to_string()),
                value => push_plain(line, value),
            }
        });
        if omitted > 0 {
            let _ = write!(line, r#","omitted_fields":{omitted}"#);
        }
        line.push_str("}\n");
        line
    }

    fn person(&self, level: Level, record: &Record, at: SystemTime) -> String {
        let paint = |code: &'static str| if self.colour { code } else { "" };
        let (dim, plain) = (paint(DIM), paint(PLAIN));
        let tint = paint(match level {
            Level::ERROR => "\x1b[31m",
            Level::WARN => "\x1b[33m",
            Level::INFO => "\x1b[32m",
            Level::DEBUG => "\x1b[34m",
            Level::TRACE => "\x1b[35m",
        });
        let at = humantime::format_rfc3339_micros(at);
        let mut line = format!("{dim}{at}{plain} {tint}{:>5}{plain} ", level.as_str());
        push_visible(&mut line, &record.message);
        let omitted = append(&mut line, record, |line, name, value| {
            line.push(' ');
            line.push_str(dim);
            push_visible(line, name);
            line.push('=');
            line.push_str(plain);
            match value {
                Value::Text(text) => push_word(line, text),
                value => push_plain(line, value),
            }
        });
        if omitted > 0 {
            let _ = write!(line, " {dim}omitted_fields={plain}{omitted}");
        }
        line.push('\n');
        line
    }
}

/// Appends fields while there is room; returns how many found none.
fn append(line: &mut String, record: &Record, push: impl Fn(&mut String, &str, &Value)) -> usize {
    let mut omitted = 0;
    for (name, value) in &record.fields {
        let before = line.len();
        push(line, name, value);
        if line.len() > MAX_LINE - END {
            line.truncate(before);
            omitted += 1;
        }
    }
    omitted
}

/// A value that needs no quotes anywhere.
fn push_plain(line: &mut String, value: &Value) {
    let _ = match value {
        Value::Bool(value) => write!(line, "{value}"),
        Value::Signed(value) => write!(line, "{value}"),
        Value::Unsigned(value) => write!(line, "{value}"),
        Value::Float(value) => write!(line, "{value}"),
        Value::Text(value) => write!(line, "{value:?}"),
    };
}

/// A value whose end a person must see: in quotes, unless it is one plain word.
fn push_word(line: &mut String, text: &str) {
    let is_plain = |c: char| !c.is_whitespace() && !acts(c) && !matches!(c, '"' | '\\' | '=');
    if !text.is_empty() && text.chars().all(is_plain) {
        line.push_str(text);
        return;
    }
    line.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            line.push('\\');
        }
        push_visible(line, c.encode_utf8(&mut [0; 4]));
    }
    line.push('"');
}
