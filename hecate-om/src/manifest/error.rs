//! What is wrong with a manifest: one error per place, collected instead of stopping at the first.

use super::place::Place;

/// How many errors are kept. No manifest that somebody means to repair has more, and input made
/// to have more must not fill the memory with them.
const KEPT: usize = 1_000;

/// Everything that is wrong with a manifest, in the order of the schema. `Display` writes one
/// line per error.
///
/// After the first 1000 errors the rest are only counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.errors, *.left_out))]
pub struct ManifestErrors {
    errors: Vec<ManifestError>,
    left_out: usize,
}

/// One thing that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}{}{problem}", if .path.is_empty() { "" } else { ": " })]
pub struct ManifestError {
    path: String,
    problem: String,
}

impl ManifestErrors {
    /// The errors, one by one.
    pub fn iter(&self) -> impl Iterator<Item = &ManifestError> {
        self.errors.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    pub(super) fn add(&mut self, place: Place<'_>, problem: impl FnOnce() -> String) {
        if self.errors.len() == KEPT {
            self.left_out += 1;
            return;
        }
        self.errors.push(ManifestError { path: place.to_string(), problem: problem() });
    }
}

impl ManifestError {
    /// Where it is, as in `capabilities[2].timeout_ms`; empty for the document as a whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What was found, and what to write.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

fn lines(errors: &[ManifestError], left_out: usize) -> String {
    let mut lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    if left_out > 0 {
        lines.push(format!("and {left_out} more"));
    }
    lines.join("\n")
}

/// Text of the input as an error shows it: cut to a readable length, and escaped, so that it
/// stays on its line and sends nothing to a terminal.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_is_one_line() {
        let mut errors = ManifestErrors::default();
        errors.add(Place::Document, || "not JSON".to_owned());
        errors.add(Place::Field(&Place::Document, "name"), || "missing".to_owned());
        assert_eq!(errors.to_string(), "not JSON\nname: missing");
    }

    #[test]
    fn errors_beyond_the_bound_are_counted() {
        let mut errors = ManifestErrors::default();
        for _ in 0..KEPT + 2 {
            errors.add(Place::Document, || "wrong".to_owned());
        }
        assert_eq!(errors.iter().count(), KEPT);
        assert!(errors.to_string().ends_with("wrong\nand 2 more"));
    }

    #[test]
    fn quoted_input_is_short_and_stays_on_its_line() {
        assert_eq!(quoted("a\nb\u{1b}[2J\u{202e}"), r#""a\nb\u{1b}[2J\u{202e}""#);
        assert_eq!(quoted(&"é".repeat(61)), format!("\"{}\"…", "é".repeat(60)));
    }
}
