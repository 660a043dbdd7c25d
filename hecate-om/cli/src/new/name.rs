//! The name of a service, and what is named after it.

use crate::failure::{Failure, USAGE};

/// The longest: it is part of the path of a socket.
const MOST: usize = 40;

/// What a Rust program cannot call a crate or a type of its own.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// What Cargo has for itself, and the crates that every program has or that a service stands on.
const TAKEN: &[&str] = &[
    "alloc",
    "build",
    "core",
    "deps",
    "examples",
    "hecate-om",
    "hecate-om-build",
    "hecate-om-cli",
    "hecate-om-macros",
    "hecate-om-station",
    "incremental",
    "proc-macro",
    "std",
    "test",
];

/// Types that a service has around it: those of the prelude, and its own messages.
const TYPES: &[&str] = &[
    "Box",
    "Call",
    "CallError",
    "Capability",
    "CapabilityError",
    "Context",
    "Copy",
    "Default",
    "Drop",
    "Err",
    "ExitCode",
    "FindVisitors",
    "Fn",
    "From",
    "Greet",
    "GreetRefusal",
    "Greeting",
    "Health",
    "Impact",
    "Into",
    "Iterator",
    "Manifest",
    "Mutex",
    "None",
    "Ok",
    "Option",
    "Path",
    "Refusal",
    "ReplyStream",
    "RequestStream",
    "Result",
    "Secret",
    "Self",
    "Send",
    "Service",
    "Some",
    "StartError",
    "String",
    "Sync",
    "ToString",
    "Vec",
    "Visitor",
    "Visitors",
    "VisitorsFound",
];

/// The name of a service: kebab-case, and nothing that a Rust program could not be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceName(String);

impl ServiceName {
    /// # Errors
    /// What is wrong with it, and the nearest name that is right.
    pub(crate) fn new(name: &str) -> Result<Self, Failure> {
        match fault(name) {
            None => Ok(Self(name.to_owned())),
            Some(why) => {
                let what = format!("`{}` cannot be the name of a service: {why}", shown(name));
                Err(Failure::new(USAGE, what).help(format!("write `{}`", nearest(name))))
            }
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As Rust code names the crate.
    pub(crate) fn crate_name(&self) -> String {
        self.0.replace('-', "_")
    }

    /// The first part of the name of each capability.
    pub(crate) fn scope(&self) -> String {
        self.short().replace('-', "_")
    }

    /// The type of the service.
    pub(crate) fn type_name(&self) -> String {
        let name = capitalised(&self.scope());
        if TYPES.contains(&name.as_str()) { format!("{name}Service") } else { name }
    }

    /// For people.
    pub(crate) fn display_name(&self) -> String {
        let words = self.short().replace('-', " ");
        let first = words.chars().next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(words.chars().skip(1)).collect()
    }

    fn short(&self) -> &str {
        self.0.strip_prefix("hecate-").unwrap_or(&self.0)
    }
}

/// `two_words` as `TwoWords`.
pub(crate) fn capitalised(snake: &str) -> String {
    let word = |word: &str| {
        let first = word.chars().next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(word.chars().skip(1)).collect::<String>()
    };
    snake.split('_').map(word).collect()
}

pub(crate) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

fn shown(name: &str) -> String {
    let escaped = name.escape_debug().to_string();
    match escaped.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &escaped[..end]),
        None => escaped,
    }
}

fn fault(name: &str) -> Option<String> {
    let is_kebab = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.split('-').all(|part| !part.is_empty())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let scope = name.strip_prefix("hecate-").unwrap_or(name);
    if !is_kebab {
        Some("it is not kebab-case, `a-z` and `0-9` in words with one `-` between them, a letter first".to_owned())
    } else if name.len() > MOST {
        Some(format!("it has {} bytes, and the path of a socket leaves room for {MOST}", name.len()))
    } else if is_keyword(name) {
        Some("it is a keyword of Rust".to_owned())
    } else if TAKEN.contains(&name) {
        Some("it is taken, by Cargo or by a crate that a service stands on".to_owned())
    } else if !scope.starts_with(|c: char| c.is_ascii_lowercase()) {
        Some(format!("its capabilities would begin with `{scope}.`, and have to begin with a letter"))
    } else {
        None
    }
}

/// The name that was probably meant; in any case one that is right.
fn nearest(name: &str) -> String {
    let mut kebab = String::new();
    let mut follows_lower = false;
    for character in name.chars() {
        // `WeatherService` is two words.
        if character.is_ascii_uppercase() && follows_lower {
            kebab.push('-');
        }
        follows_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        kebab.push(if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' });
    }
    let mut words: Vec<&str> = kebab.split('-').filter(|word| !word.is_empty()).collect();
    // A number first: the words after it, or none.
    while words.first().is_some_and(|word| !word.starts_with(|c: char| c.is_ascii_lowercase())) {
        let number = words.remove(0);
        if !words.contains(&number) {
            words.push(number);
        }
        if words.iter().all(|word| !word.starts_with(|c: char| c.is_ascii_lowercase())) {
            words.insert(0, "service");
        }
    }
    let mut near = String::new();
    for word in words {
        let gap = usize::from(!near.is_empty());
        if near.len() + gap + word.len() > MOST {
            if near.is_empty() {
                near.extend(word.chars().take(MOST));
            }
            break;
        }
        if gap == 1 {
            near.push('-');
        }
        near.push_str(word);
    }
    if near.is_empty() {
        "my-service".clone_into(&mut near);
    }
    if fault(&near).is_some() {
        near = match near.strip_prefix("hecate-") {
            Some(rest) => format!("hecate-service-{rest}"),
            None => format!("{near}-service"),
        };
        near.truncate(MOST);
        near.truncate(near.trim_end_matches('-').len());
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case() {
        for name in ["a", "hecate-weather", "weather", "r2-d2", "hecate-fn", "hecate-self", &"a".repeat(40)] {
            assert_eq!(ServiceName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn another_name_is_refused_with_the_nearest_good_one() {
        let long = format!("{}-{}", "weather".repeat(4), "forecast".repeat(3));
        let rows = [
            ("Weather", "weather"),
            ("WeatherService", "weather-service"),
            ("hecate_weather", "hecate-weather"),
            ("hecate weather", "hecate-weather"),
            ("hecate--weather-", "hecate-weather"),
            ("-rf", "rf"),
            ("../weather", "weather"),
            ("wéather", "w-ather"),
            ("", "my-service"),
            ("天気", "my-service"),
            ("3d", "service-3d"),
            ("3-d", "d-3"),
            ("hecate-3d", "hecate-service-3d"),
            ("fn", "fn-service"),
            ("self", "self-service"),
            ("hecate-om", "hecate-service-om"),
            ("test", "test-service"),
            ("std", "std-service"),
            ("$(id)", "id"),
            ("a\u{202e}b", "a-b"),
            (&long, "weatherweatherweatherweather"),
            (&"a".repeat(41), &"a".repeat(40)),
        ];
        for (name, near) in rows {
            let told = ServiceName::new(name).unwrap_err();
            assert_eq!(told.exit_code(), USAGE);
            let told = told.told(false);
            assert!(told.ends_with(&format!("help: write `{near}`")), "{name}: {told}");
            assert!(ServiceName::new(near).is_ok(), "{near}");
            assert!(!told.contains('\u{202e}'));
        }
    }

    #[test]
    fn the_nearest_name_of_anything_is_a_good_one() {
        let pieces = ["1", "-", "a", "Z", "_", "hecate-", "9-9", "é", "fn", "hecate-om", " ", "xyzzy"];
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    let name = format!("{first}{second}{third}").repeat(3);
                    let near = nearest(&name);
                    assert_eq!(fault(&near), None, "{name} -> {near}");
                }
            }
        }
    }

    #[test]
    fn what_is_named_after_it_is_no_name_of_the_prelude() {
        let name = |name: &str| ServiceName::new(name).unwrap();
        assert_eq!(name("hecate-weather").type_name(), "Weather");
        assert_eq!(name("hecate-two-words").type_name(), "TwoWords");
        assert_eq!(name("hecate-health").type_name(), "HealthService");
        assert_eq!(name("hecate-self").type_name(), "SelfService");
        assert_eq!(name("hecate-fn").type_name(), "FnService");
        assert_eq!(
            (name("two-words").scope(), name("two-words").crate_name()),
            ("two_words".into(), "two_words".into())
        );
        assert_eq!(name("hecate-two-words").display_name(), "Two words");
    }
}
