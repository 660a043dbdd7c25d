//! The rules of single values, each in one place: what holds, how the JSON Schema says it, and
//! how an error does.

use crate::name::is_name;

/// A rule for a piece of text.
pub(super) struct TextRule {
    /// What to write, after "write ".
    pub(super) expected: &'static str,
    /// The same rule for the JSON Schema, without the length.
    pub(super) pattern: &'static str,
    pub(super) holds: fn(&str) -> bool,
}

/// A rule for a whole number.
pub(super) struct NumberRule {
    /// What to write, after "write " and before the bounds.
    pub(super) expected: &'static str,
    pub(super) least: u64,
    pub(super) most: u64,
}

pub(super) const SCHEMA: &str = "hecate.manifest/1";
pub(super) const NAME_BYTES: usize = 40;
pub(super) const CAPABILITY_NAME_BYTES: usize = 128;

/// Last parts of names that the runtime answers itself.
const RESERVED_LAST_PARTS: [&str; 4] = ["info", "describe", "get_limits", "set_limits"];
pub(super) const RESERVED_LAST_PART_PATTERN: &str = r"\.(info|describe|get_limits|set_limits)$";

pub(super) const NAME: TextRule = TextRule {
    expected: "kebab-case of at most 40 bytes, such as `hecate-echo`",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
    holds: |text| text.len() <= NAME_BYTES && is_kebab(text),
};

pub(super) const SNAKE: TextRule =
    TextRule { expected: "lower snake case (`[a-z][a-z0-9_]*`)", pattern: "^[a-z][a-z0-9_]*$", holds: is_snake };

pub(super) const CAPABILITY_NAME: TextRule = TextRule {
    expected: "two or more lower snake case parts joined by dots, at most 128 bytes, \
               such as `echo.say`",
    pattern: r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$",
    holds: |text| text.len() <= CAPABILITY_NAME_BYTES && text.contains('.') && text.split('.').all(is_snake),
};

pub(super) const REFERENCE: TextRule = TextRule {
    expected: "`<org>/<name>` or `<name>`, such as `hecate-echo/echo.say`",
    pattern: r"^([a-z0-9][a-z0-9._-]*/)?[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$",
    holds: |text| {
        let (org, name) = text.split_once('/').map_or((None, text), |(org, name)| (Some(org), name));
        org.is_none_or(is_name) && (CAPABILITY_NAME.holds)(name)
    },
};

/// Who may call a capability that does not say.
pub(super) const REALM: &str = "realm";

pub(super) const ACCESS: TextRule = TextRule {
    expected: "`open`, `realm` or `issuer:<64 hex digits>`",
    pattern: "^(open|realm|issuer:[0-9a-f]{64})$",
    holds: |text| {
        let is_hex =
            |node: &str| node.len() == 64 && node.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        ["open", REALM].contains(&text) || text.strip_prefix("issuer:").is_some_and(is_hex)
    },
};

pub(super) const VERSION: TextRule = TextRule {
    expected: "a SemVer version, such as `0.1.0`",
    // The pattern that semver.org suggests.
    pattern: concat!(
        r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)",
        r"(-((0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*))?",
        r"(\+([0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*))?$",
    ),
    holds: |text| semver::Version::parse(text).is_ok(),
};

pub(super) const CALLBACK_MODULE: TextRule = TextRule {
    expected: "`<crate>::<type>`, such as `hecate_echo::Echo`",
    pattern: "^[^:]+::[^:]",
    holds: |text| {
        text.split_once("::").is_some_and(|(crate_name, type_name)| {
            let crate_holds = !crate_name.is_empty() && !crate_name.contains(':');
            crate_holds && !type_name.is_empty() && !type_name.starts_with(':')
        })
    },
};

pub(super) const DESCRIPTION: TextRule = TextRule {
    expected: "a sentence that says what the service is for",
    pattern: r"\S",
    holds: |text| !text.trim().is_empty(),
};

pub(super) const VOLUME_BYTES: usize = 128;

/// A path that a unit, a compose file and an image recipe take for nothing else.
pub(super) const VOLUME: TextRule = TextRule {
    expected: "an absolute path of at most 128 bytes whose parts begin with a letter or digit and go on with \
               letters, digits, `.`, `_` and `-`, such as `/var/lib/hecate-echo`",
    pattern: "^(/[a-zA-Z0-9][a-zA-Z0-9._-]*)+$",
    holds: |text| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_part = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.bytes().all(plain);
        text.len() <= VOLUME_BYTES && text.strip_prefix('/').is_some_and(|parts| parts.split('/').all(is_part))
    },
};

pub(super) const CAPABILITY_VERSION: NumberRule = NumberRule { expected: "a whole number", least: 1, most: 65_535 };

pub(super) const TIMEOUT_MS: NumberRule =
    NumberRule { expected: "a whole number of milliseconds", least: 1, most: 600_000 };

pub(super) const MESSAGE_BYTES: NumberRule =
    NumberRule { expected: "a whole number of bytes", least: 1, most: 16 << 20 };

pub(super) const CONCURRENCY: NumberRule = NumberRule { expected: "a whole number", least: 1, most: 65_536 };

pub(super) const RATE_CALLS: NumberRule = NumberRule { expected: "a whole number", least: 1, most: 1_000_000 };

pub(super) const RATE_PERIOD_MS: NumberRule =
    NumberRule { expected: "a whole number of milliseconds", least: 1_000, most: 3_600_000 };

pub(super) const TTL_DAYS: NumberRule = NumberRule { expected: "a whole number of days", least: 1, most: 365 };

pub(super) const PORT: NumberRule = NumberRule { expected: "a port", least: 1, most: 65_535 };

/// The last part of a capability's name, if the runtime keeps it for itself.
pub(super) fn reserved_last_part(capability: &str) -> Option<&str> {
    let (_, last) = capability.rsplit_once('.')?;
    RESERVED_LAST_PARTS.contains(&last).then_some(last)
}

fn is_kebab(text: &str) -> bool {
    let lower_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.split('-').all(|part| !part.is_empty() && part.bytes().all(lower_or_digit))
}

fn is_snake(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: &TextRule, held: &[&str], refused: &[&str]) {
        for text in held {
            assert!((rule.holds)(text), "{text:?} is {}", rule.expected);
        }
        for text in refused {
            assert!(!(rule.holds)(text), "{text:?} is not {}", rule.expected);
        }
    }

    #[test]
    fn a_name_is_kebab_case_of_forty_bytes() {
        let longest = "a".repeat(NAME_BYTES);
        let too_long = "a".repeat(NAME_BYTES + 1);
        check(
            &NAME,
            &["a", "hecate-echo", "a1-2b", &longest],
            &["", "-a", "a-", "a--b", "1a", "A", "a_b", "é", "a ", &too_long],
        );
    }

    #[test]
    fn a_word_is_lower_snake_case() {
        check(&SNAKE, &["a", "a_1", "a__", "realm"], &["", "_a", "1a", "aB", "a-b", "a.b", "é"]);
    }

    #[test]
    fn a_capability_has_two_parts_in_128_bytes() {
        let longest = format!("a.{}", "b".repeat(126));
        let too_long = format!("a.{}", "b".repeat(127));
        check(
            &CAPABILITY_NAME,
            &["a.b", "rag.query.deep_1", &longest],
            &["", "a", "a.", ".b", "a..b", "a.B", "a.1", "a.b-c", &too_long],
        );
    }

    #[test]
    fn a_reference_may_have_an_org() {
        check(
            &REFERENCE,
            &["rag.query", "acme/rag.query", "hecate-rag/rag.query.deep_1", "0x.y/a.b"],
            &["", "rag", "/rag.query", "acme/", "a/b/c.d", "Acme/a.b", "rag.query@1", "~ab/c.d"],
        );
    }

    #[test]
    fn access_is_a_word_or_a_node() {
        let issuer = format!("issuer:{}", "0f".repeat(32));
        let upper = format!("issuer:{}", "0F".repeat(32));
        check(&ACCESS, &["open", "realm", &issuer], &["", "Open", "issuer", "issuer:0f", &upper, "all"]);
    }

    #[test]
    fn a_version_is_semver() {
        check(&VERSION, &["0.1.0", "1.2.3-rc.1+5"], &["", "1", "1.2", "01.0.0", "v1.0.0", "1.2.3 "]);
    }

    #[test]
    fn a_callback_names_crate_and_type() {
        check(
            &CALLBACK_MODULE,
            &["echo::Echo", "echo::deep::Echo<u8>"],
            &["", "Echo", "::Echo", "echo::", "echo:Echo", "a:b::Echo", "echo:::Echo"],
        );
    }

    #[test]
    fn a_description_is_more_than_blanks() {
        check(&DESCRIPTION, &["Echoes."], &["", " \n\t"]);
    }

    #[test]
    fn a_volume_is_a_plain_path() {
        let longest = format!("/{}", "a".repeat(VOLUME_BYTES - 1));
        let too_long = format!("{longest}a");
        check(
            &VOLUME,
            &["/a", "/var/lib/hecate-echo", "/0/A_b.c-d", &longest],
            &[
                "", "/", "a", "/a/", "//a", "/a//b", "/.", "/a/..", "/.a", "/-a", "/a b", "/a:b", "/a,b", "/%i", "/ä",
                &too_long,
            ],
        );
    }

    #[test]
    fn reserved_last_parts_are_those_of_the_pattern() {
        let pattern = format!(r"\.({})$", RESERVED_LAST_PARTS.join("|"));
        assert_eq!(RESERVED_LAST_PART_PATTERN, pattern);
        assert_eq!(reserved_last_part("echo.info"), Some("info"));
        assert_eq!(reserved_last_part("echo.info.say"), None);
        assert_eq!(reserved_last_part("echo.my_info"), None);
    }
}
