//! Typed readers of a JSON tree. Each gives the value or reports why it cannot, and its siblings
//! are read all the same.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde_json::{Map, Value};

use super::error::{ManifestErrors, quoted};
use super::place::Place;
use super::rules::{NumberRule, TextRule};

/// Whether a field that the schema does not know is an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UnknownFields {
    Pass,
    Refuse,
}

/// The state of reading one document.
pub(super) struct Reading {
    pub(super) errors: ManifestErrors,
    unknown_fields: UnknownFields,
}

impl Reading {
    pub(super) fn new(unknown_fields: UnknownFields) -> Self {
        Self { errors: ManifestErrors::default(), unknown_fields }
    }

    /// What was read, if nothing was wrong.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T, ManifestErrors> {
        read.filter(|_| self.errors.is_empty()).ok_or(self.errors)
    }
}

/// A place in the document and the value that stands there, if any. A reader that gives `None`
/// has reported why.
pub(super) struct Node<'a> {
    value: Option<&'a Value>,
    place: Place<'a>,
    reading: &'a mut Reading,
}

impl<'a> Node<'a> {
    pub(super) fn document(document: &'a Value, reading: &'a mut Reading) -> Self {
        Self { value: Some(document), place: Place::Document, reading }
    }

    pub(super) fn any_text(self) -> Option<String> {
        self.text_where("a string", |_| true)
    }

    pub(super) fn text(self, rule: &TextRule) -> Option<String> {
        self.text_where(rule.expected, rule.holds)
    }

    pub(super) fn text_where(self, expected: &str, holds: impl FnOnce(&str) -> bool) -> Option<String> {
        match self.value {
            Some(Value::String(text)) if holds(text) => Some(text.clone()),
            _ => self.refuse(expected),
        }
    }

    /// One of the words that `T` deserializes from; `expected` lists them.
    pub(super) fn word<T: Deserialize<'a>>(self, expected: &str) -> Option<T> {
        let word = self.value.and_then(Value::as_str).and_then(|word| {
            let word: StrDeserializer<'_, ValueError> = word.into_deserializer();
            T::deserialize(word).ok()
        });
        word.or_else(|| self.refuse(expected))
    }

    pub(super) fn boolean(self) -> Option<bool> {
        self.value.and_then(Value::as_bool).map_or_else(|| self.refuse("`true` or `false`"), Some)
    }

    pub(super) fn number<T: TryFrom<u64>>(self, rule: &NumberRule) -> Option<T> {
        let within = rule.least..=rule.most;
        let number = self.value.and_then(Value::as_u64);
        match number.filter(|number| within.contains(number)).map(T::try_from) {
            Some(Ok(number)) => Some(number),
            _ => {
                let NumberRule { expected, least, most } = rule;
                self.refuse(&format!("{expected} from {least} to {most}"))
            }
        }
    }

    /// Reads a value that may be left out. `null` says the same.
    pub(super) fn optional<T>(self, read: impl FnOnce(Self) -> Option<T>) -> Option<Option<T>> {
        match self.value {
            None | Some(Value::Null) => Some(None),
            Some(_) => read(self).map(Some),
        }
    }

    /// Reads every item, also after one that could not be read.
    pub(super) fn list<T>(self, mut read: impl FnMut(Node<'_>) -> Option<T>) -> Option<Vec<T>> {
        let Some(Value::Array(items)) = self.value else {
            return self.refuse("an array, `[]` if there is nothing to list");
        };
        let read_items: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                read(Node { value: Some(item), place: Place::Item(&self.place, index), reading: self.reading })
            })
            .collect();
        read_items.into_iter().collect()
    }

    /// Reads an object; a field that `read` does not ask for is an unknown one.
    pub(super) fn object<T>(self, read: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Option<T> {
        let Some(Value::Object(object)) = self.value else {
            return self.refuse("an object");
        };
        let mut fields = Fields { object, place: self.place, reading: self.reading, known: Vec::new() };
        let value = read(&mut fields);
        fields.check_unknown();
        value
    }

    fn refuse<T>(self, expected: &str) -> Option<T> {
        self.reading.errors.add(self.place, || match self.value {
            None => format!("missing; write {expected}"),
            Some(value) => format!("found {}; write {expected}", shown(value)),
        });
        None
    }
}

/// The fields of one object.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    place: Place<'a>,
    reading: &'a mut Reading,
    known: Vec<&'static str>,
}

impl Fields<'_> {
    pub(super) fn get(&mut self, name: &'static str) -> Node<'_> {
        self.known.push(name);
        Node { value: self.object.get(name), place: Place::Field(&self.place, name), reading: self.reading }
    }

    /// Whether a field stands there, whatever it holds.
    pub(super) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    pub(super) fn place(&self) -> Place<'_> {
        self.place
    }

    /// Reports a problem of the whole object.
    pub(super) fn report(&mut self, problem: String) {
        self.reading.errors.add(self.place, || problem);
    }

    /// Reports a problem of one field that its own rule does not see.
    pub(super) fn report_at(&mut self, name: &str, problem: String) {
        let place = Place::Field(&self.place, name);
        self.reading.errors.add(place, || problem);
    }

    fn check_unknown(&mut self) {
        if self.reading.unknown_fields == UnknownFields::Pass {
            return;
        }
        let known = &self.known;
        let is_unknown = |name: &&String| !known.contains(&name.as_str());
        for name in self.object.keys().filter(is_unknown) {
            let problem = || match nearest(name, known) {
                Some(known) => format!("unknown field; write `{known}`"),
                None => format!("unknown field; remove it, known here is `{}`", known.join("`, `")),
            };
            let place = Place::Field(&self.place, name);
            self.reading.errors.add(place, problem);
        }
    }
}

/// The known name that `name` was probably meant to be: at most a third of it differs.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        // Names of very different lengths are never near; not comparing them bounds the work.
        .filter(|known| name.len() <= 2 * known.len())
        .map(|known| (strsim::osa_distance(name, known), *known))
        .filter(|(distance, known)| 3 * distance <= known.len())
        .min()
        .map(|(_, known)| known)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::String(text) => format!("`{}`", quoted(text)),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_name_is_a_slip_of_the_pen_away() {
        let known = ["name", "version", "timeout_ms"];
        assert_eq!(nearest("timeout", &known), Some("timeout_ms"));
        assert_eq!(nearest("nmae", &known), Some("name"));
        assert_eq!(nearest("Version", &known), Some("version"));
        assert_eq!(nearest("access", &known), None);
        assert_eq!(nearest("", &known), None);
    }
}
