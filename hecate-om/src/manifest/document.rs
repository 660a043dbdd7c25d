//! From text to a tree of JSON values: size, syntax, and keys that stand twice.
//!
//! `serde_json` keeps the last of two equal keys in silence, so a second pass looks for them. It
//! is apart from the building of the tree since it has no use for values, and so cannot get one
//! wrong.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::Manifest;
use super::error::ManifestErrors;
use super::place::Place;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Parses a text of bounded size. `serde_json` bounds the depth, to 128.
pub(super) fn parse(text: &str, errors: &mut ManifestErrors) -> Option<Value> {
    match check_size(text).and_then(|()| parse_json(text, errors)) {
        Ok(document) => Some(document),
        Err(problem) => {
            errors.add(Place::Document, || problem);
            None
        }
    }
}

fn check_size(text: &str) -> Result<(), String> {
    if text.len() <= Manifest::MAX_BYTES {
        return Ok(());
    }
    Err(format!("found {} bytes; write at most {}", text.len(), Manifest::MAX_BYTES))
}

fn parse_json(text: &str, errors: &mut ManifestErrors) -> Result<Value, String> {
    // Invisible in an editor, so the usual "expected value" would puzzle.
    if text.starts_with(BYTE_ORDER_MARK) {
        return Err("not JSON: byte order mark at line 1 column 1; write UTF-8 without one".into());
    }
    let not_json = |error: serde_json::Error| format!("not JSON: {error}");
    let document = serde_json::from_str(text).map_err(not_json)?;
    let duplicates = Duplicates { place: Place::Document, errors };
    duplicates.deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(not_json)?;
    Ok(document)
}

/// Reports keys that stand twice in one object, here and below.
struct Duplicates<'a> {
    place: Place<'a>,
    errors: &'a mut ManifestErrors,
}

impl<'de> DeserializeSeed<'de> for Duplicates<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Duplicates<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let place = Place::Field(&self.place, &key);
            if keys.contains(&key) {
                let problem = || "found more than once; write it once".to_owned();
                self.errors.add(place, problem);
            }
            map.next_value_seed(Duplicates { place, errors: self.errors })?;
            keys.insert(key);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(()) =
            items.next_element_seed(Duplicates { place: Place::Item(&self.place, index), errors: self.errors })?
        {
            index += 1;
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        let mut errors = ManifestErrors::default();
        let document = parse(text, &mut errors);
        assert!(document.is_some() || errors.iter().count() == 1, "{errors}");
        errors.to_string()
    }

    #[test]
    fn every_kind_of_value_passes() {
        let text = r#"{"a": [null, true, 1, -1, 0.5, "x", {}], "b": {"a": []}, "": 1}"#;
        assert_eq!(problems(text), "");
    }

    #[test]
    fn equal_keys_are_reported_at_every_depth() {
        let text = r#"{"a": 1, "b": [0, {"c": 1, "\u0063": 2}], "a": {"d": 1, "d": 2, "d": 3}}"#;
        assert_eq!(
            problems(text),
            "b[1].c: found more than once; write it once\n\
             a: found more than once; write it once\n\
             a.d: found more than once; write it once\n\
             a.d: found more than once; write it once"
        );
    }

    #[test]
    fn malformed_json_is_one_error_with_line_and_column() {
        assert_eq!(problems("{\"a\": 1,\n \"a\": NaN}"), "not JSON: expected value at line 2 column 7");
        assert_eq!(problems("{\"a\": 1e999}"), "not JSON: number out of range at line 1 column 11");
        assert_eq!(problems("{} {}"), "not JSON: trailing characters at line 1 column 4");
        assert_eq!(problems("\u{feff}{}"), "not JSON: byte order mark at line 1 column 1; write UTF-8 without one");
    }

    #[test]
    fn depth_is_bounded() {
        let deepest = "[".repeat(127) + &"]".repeat(127);
        assert_eq!(problems(&deepest), "");
        for opening in ["[", "{\"a\":"] {
            let problem = problems(&opening.repeat(10_000));
            assert!(problem.starts_with("not JSON: recursion limit exceeded at line 1"));
        }
    }

    #[test]
    fn size_is_bounded() {
        let largest = " ".repeat(Manifest::MAX_BYTES - 2) + "{}";
        assert_eq!(problems(&largest), "");
        assert_eq!(problems(&" ".repeat(2 * Manifest::MAX_BYTES)), "found 2097152 bytes; write at most 1048576");
    }
}
