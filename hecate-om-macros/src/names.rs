//! The names of services, scopes and capabilities: what they look like, and the nearest good one.

/// `[a-z][a-z0-9]*(-[a-z0-9]+)*`
pub(crate) fn is_kebab(name: &str) -> bool {
    starts_lower(name) && name.split('-').all(|part| !part.is_empty() && part.chars().all(lower_or_digit))
}

/// `[a-z][a-z0-9_]*`
pub(crate) fn is_snake(name: &str) -> bool {
    starts_lower(name) && name.chars().all(|c| lower_or_digit(c) || c == '_')
}

/// Two or more lower snake parts with dots between them, `rag.query`.
pub(crate) fn is_dotted(name: &str) -> bool {
    name.contains('.') && name.split('.').all(is_snake)
}

fn starts_lower(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
}

fn lower_or_digit(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

/// The words of a name in any case convention.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut previous_lower = false;
    for c in name.chars() {
        let start = c.is_ascii_uppercase() && previous_lower;
        if !c.is_ascii_alphanumeric() || start {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_ascii_alphanumeric(), words.last_mut()) {
            word.push(c.to_ascii_lowercase());
        }
        previous_lower = lower_or_digit(c);
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The nearest kebab-case name, `or` where nothing is left of it.
pub(crate) fn kebab_like(name: &str, or: &str) -> String {
    usable(words(name).join("-"), or)
}

/// The nearest lower snake name, `or` where nothing is left of it.
pub(crate) fn snake_like(name: &str, or: &str) -> String {
    usable(words(name).join("_"), or)
}

fn usable(name: String, or: &str) -> String {
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    if name.is_empty() { or.to_owned() } else { name.to_owned() }
}

/// The nearest SemVer version, `1.0.0` where nothing is near.
pub(crate) fn semver_like(version: &str) -> String {
    let padded = ["", ".0", ".0.0"].map(|rest| format!("{}{rest}", version.trim_start_matches('v')));
    let like = padded.into_iter().find(|like| semver::Version::parse(like).is_ok());
    like.unwrap_or_else(|| "1.0.0".to_owned())
}

/// `Hecate Greeter` for `hecate-greeter`.
pub(crate) fn title_of(name: &str) -> String {
    let capitalised = |word: String| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
    };
    words(name).into_iter().map(capitalised).collect::<Vec<_>>().join(" ")
}

/// The known name that was probably meant.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), *known));
    scored.filter(|(distance, known)| *distance <= 1 + known.len() / 4).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kebab_is_told_from_its_neighbours() {
        for good in ["a", "hecate-rag", "x2", "a-2b"] {
            assert!(is_kebab(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "2a", "a.b", "ä"] {
            assert!(!is_kebab(bad), "{bad}");
        }
    }

    #[test]
    fn a_bad_name_has_a_good_neighbour() {
        assert_eq!(kebab_like("HecateRag", "x"), "hecate-rag");
        assert_eq!(kebab_like("hecate_rag ", "x"), "hecate-rag");
        assert_eq!(kebab_like("42", "hecate-x"), "hecate-x");
        assert_eq!(snake_like("answerQuery", "x"), "answer_query");
        assert_eq!(snake_like("HTTPGet", "x"), "httpget");
        assert_eq!(title_of("hecate-rag"), "Hecate Rag");
    }

    #[test]
    fn a_version_is_padded() {
        assert_eq!(semver_like("1"), "1.0.0");
        assert_eq!(semver_like("v1.2"), "1.2.0");
        assert_eq!(semver_like("latest"), "1.0.0");
    }

    #[test]
    fn only_what_is_near_is_suggested() {
        assert_eq!(nearest("nmae", &["name", "version"]), Some("name"));
        assert_eq!(nearest("verzion", &["name", "version"]), Some("version"));
        assert_eq!(nearest("colour", &["name", "version"]), None);
    }
}
