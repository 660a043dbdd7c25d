//! Which names say that their value is nobody's business, and what is shown instead.

/// What is shown instead of a secret.
pub(crate) const MASK: &str = "***";

/// Words that make a secret, whole and in any case; of two, the second follows the first.
const WORDS: [&str; 9] =
    ["password", "passwd", "passphrase", "secret", "token", "authorization", "apikey", "cookie", "credential"];
const PAIRS: [[&str; 2]; 2] = [["api", "key"], ["private", "key"]];

/// What makes a setting one wherever it stands in its key, and what does as a whole word. An operator
/// is shown one value less rather than one too many.
const INSIDE: [&str; 6] = ["password", "passwd", "passphrase", "secret", "credential", "apikey"];
const SHORT: [&str; 4] = ["key", "keys", "pwd", "pass"];

/// Whether the name of a field is that of a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let mut before = "";
    words(name).any(|word| {
        let is = |known: &&str| known.eq_ignore_ascii_case(word);
        let follows = |[first, second]: &[&str; 2]| first.eq_ignore_ascii_case(before) && is(second);
        let found = WORDS.iter().any(is) || PAIRS.iter().any(follows);
        before = word;
        found
    })
}

/// Whether the key of a setting may be that of a secret.
pub(crate) fn may_be_secret(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    is_secret(key)
        || INSIDE.iter().any(|inside| lower.contains(inside))
        || words(key).any(|word| SHORT.iter().any(|short| short.eq_ignore_ascii_case(word)))
}

/// The words of `snake_case`, `kebab-case`, `dotted.names` and `camelCase`.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).flat_map(humps)
}

fn humps(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let bytes = rest.as_bytes();
        let hump = bytes.windows(2).position(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
        let (first, left) = rest.split_at_checked(hump.map_or(rest.len(), |at| at + 1))?;
        rest = left;
        (!first.is_empty()).then_some(first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_secret_by_its_whole_words() {
        for secret in [
            "password",
            "db.Password",
            "AUTHORIZATION",
            "api_key",
            "api-key",
            "github_token",
            "accessToken",
            "session.cookie",
            "x-private-key-pem",
            "credential",
            "token",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        for harmless in ["tokens", "tokenizer", "max_tokens", "secretary", "key", "private", "api", "key_api", "", "é"]
        {
            assert!(!is_secret(harmless), "{harmless}");
        }
    }

    #[test]
    fn a_setting_is_masked_when_in_doubt() {
        for key in ["password", "TOKEN", "client_secret", "clientsecret", "tls.key", "db_pwd", "accessToken"] {
            assert!(may_be_secret(key), "{key}");
        }
        for key in ["monkey", "books", "keyboard", "compass", "title", "max_tokens"] {
            assert!(!may_be_secret(key), "{key}");
        }
    }
}
