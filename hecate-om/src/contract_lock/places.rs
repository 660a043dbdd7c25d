//! Where in a message a difference is: `$.lines[*].count`, as in JSONPath.

use std::fmt;

/// One step into a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Field(String),
    /// Every item of an array.
    Items,
    /// The item of an array at a place of its own.
    Item(usize),
    /// Every value of a map.
    Entries,
    /// One of several shapes: nothing in the message, but much for its reader.
    Variant(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Field(name) if is_plain(name) => write!(f, ".{name}"),
            Step::Field(name) => write!(f, "['{}']", name.escape_debug()),
            Step::Items => f.write_str("[*]"),
            Step::Item(index) => write!(f, "[{index}]"),
            Step::Entries => f.write_str(".*"),
            Step::Variant(label) => write!(f, "<{label}>"),
        }
    }
}

/// The steps from the top of a message.
pub(super) fn path(steps: &[Step]) -> String {
    steps.iter().fold("$".to_owned(), |path, step| path + &step.to_string())
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}
