//! The names that a service gives to its secrets and tasks: safe as a file, in a log and as a label.

/// The longest, in bytes.
pub(crate) const MAX_NAME: usize = 64;

/// What fits, for messages.
pub(crate) const NAME_RULE: &str = "use a-z, 0-9, `.`, `_` and `-`, a letter or digit first, at most 64 bytes";

/// Whether this is such a name; no path ever is.
pub(crate) fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    first && text.len() <= MAX_NAME && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_and_nothing_that_a_shell_or_a_log_could_misread_is_a_name() {
        for name in ["db", "0", "a.b_c-d", "a..b", &"a".repeat(64)] {
            assert!(is_name(name), "{name:?}");
        }
        let wrong = ["", ".", "..", ".hidden", "-rf", "_x", "a/b", "../a", "A", "ä", "a b", "a\n", "a\0", "$(id)"];
        for name in wrong.into_iter().chain([&*"a".repeat(65)]) {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
