//! Where a value stands in the document. It is a chain on the stack, written out only for an
//! error.

use std::fmt;

use super::error::quoted;

#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Document,
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Document => Ok(()),
            Self::Field(Self::Document, name) if is_plain(name) => f.write_str(name),
            Self::Field(parent, name) if is_plain(name) => write!(f, "{parent}.{name}"),
            Self::Field(parent, name) => write!(f, "{parent}[{}]", quoted(name)),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Whether a field's name reads unambiguously without quotes.
fn is_plain(name: &str) -> bool {
    (1..=60).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::Place::{Document, Field, Item};

    #[test]
    fn a_path_reads_as_code_does() {
        let capabilities = Field(&Document, "capabilities");
        let third = Item(&capabilities, 2);
        assert_eq!(Document.to_string(), "");
        assert_eq!(Field(&third, "timeout_ms").to_string(), "capabilities[2].timeout_ms");
    }

    #[test]
    fn a_name_that_would_mislead_is_quoted() {
        assert_eq!(Field(&Document, "a.b\n").to_string(), r#"["a.b\n"]"#);
        assert_eq!(Field(&Document, "").to_string(), r#"[""]"#);
    }
}
