//! Objects: their fields, and what else they may hold.

use serde_json::{Map, Value};

use super::super::alternatives::Shape;
use super::super::change::{Difference, Presence};
use super::super::places::Step;
use super::walk::{Finding, Walk, here, within};

impl Walk<'_> {
    pub(super) fn compare_objects(&mut self, written: &Shape, read: &Shape) -> Vec<Finding> {
        let none = Map::new();
        let (own, others) = (fields(written).unwrap_or(&none), fields(read).unwrap_or(&none));
        let mut found = Vec::new();
        for (name, schema) in own {
            let step = Step::Field(name.clone());
            let presence = Presence::of(requires(written, name));
            match others.get(name) {
                Some(other) => {
                    let of_field = self.compare(schema, other);
                    found.extend(within(&step, of_field));
                    found.extend(self.of_default(schema, other).into_iter().flat_map(|it| within(&step, vec![it])));
                    if requires(read, name) && !requires(written, name) {
                        let difference = self.unread(Difference::FieldRequired, Difference::FieldOptional);
                        found.extend(within(&step, vec![here(difference)]));
                    }
                }
                None => found.extend(within(&step, self.compare_unread(schema, presence, read))),
            }
        }
        for (name, schema) in others.iter().filter(|(name, _)| !own.contains_key(*name)) {
            let step = Step::Field(name.clone());
            if requires(read, name) {
                let presence = Presence::Required;
                let difference = self.unread(Difference::FieldAdded(presence), Difference::FieldRemoved(presence));
                found.extend(within(&step, vec![here(difference)]));
            } else if let Some(entries) = entries(written) {
                // Entries of a map may have the name of a field that is new.
                let of_entry = self.compare(&entries.clone(), schema);
                found.extend(within(&step, of_entry));
            }
        }
        found.extend(self.compare_entries(written, read));
        found
    }

    /// A field of which who reads does not know.
    fn compare_unread(&mut self, schema: &Value, presence: Presence, read: &Shape) -> Vec<Finding> {
        let lost = self.unread(Difference::FieldRemoved(presence), Difference::FieldAdded(presence));
        match read.get("additionalProperties") {
            // It is passed over: nobody misses what a reply has besides.
            None if read.get("patternProperties").is_none() => {
                vec![Finding { is_note: self.decides_of_reply(), ..here(lost) }]
            }
            Some(Value::Bool(true)) => vec![Finding { is_note: true, ..here(lost) }],
            None | Some(Value::Bool(false)) => vec![here(lost)],
            Some(entries) => {
                let entries = entries.clone();
                self.compare(schema, &entries)
            }
        }
    }

    /// What objects hold besides their fields.
    fn compare_entries(&mut self, written: &Shape, read: &Shape) -> Vec<Finding> {
        let step = Step::Entries;
        let mut found = Vec::new();
        for (pattern, schema) in patterns(written) {
            match patterns(read).find(|(other, _)| *other == pattern) {
                Some((_, other)) => {
                    let of_entries = self.compare(schema, other);
                    found.extend(within(&step, of_entries));
                }
                None => match read.get("additionalProperties").filter(|entries| entries.as_bool() != Some(false)) {
                    Some(entries) => {
                        let of_entries = self.compare(schema, &entries.clone());
                        found.extend(within(&step, of_entries));
                    }
                    None => found.extend(self.keyword("patternProperties", written, read)),
                },
            }
        }
        match (entries(written), read.get("additionalProperties")) {
            (None, _) => {}
            (Some(entries), Some(other)) if other.as_bool() != Some(false) => {
                let of_entries = self.compare(&entries.clone(), &other.clone());
                found.extend(within(&step, of_entries));
            }
            (Some(_), Some(_)) => found.extend(self.keyword("additionalProperties", written, read)),
            // Entries that nobody reads are lost without a word, and of a reply nobody misses them.
            (Some(_), None) => {
                let lost = self.keyword("additionalProperties", written, read);
                let is_note = self.decides_of_reply() && patterns(read).next().is_none();
                found.extend(lost.map(|finding| Finding { is_note, ..finding }));
            }
        }
        // Who refuses fields that he does not know is told by the fields; that he does it from now on is no field's.
        let closed = |shape: &Shape| shape.get("additionalProperties") == Some(&Value::Bool(false));
        if closed(read) && written.get("additionalProperties").is_none() && patterns(written).next().is_none() {
            found.extend(self.keyword("additionalProperties", written, read).map(|it| Finding { is_note: true, ..it }));
        }
        found
    }

    /// What a field has that is left out.
    fn of_default(&self, written: &Value, read: &Value) -> Option<Finding> {
        let words =
            |schema: &Value| schema.get("default").map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"));
        let (old, new) = self.in_order(words(written), words(read));
        (old != new).then(|| Finding { is_note: true, ..here(Difference::Default(old, new)) })
    }
}

fn fields(shape: &Shape) -> Option<&Map<String, Value>> {
    shape.get("properties")?.as_object()
}

fn requires(shape: &Shape, name: &str) -> bool {
    let required = shape.get("required").and_then(Value::as_array);
    required.is_some_and(|required| required.iter().any(|field| field == name))
}

fn patterns(shape: &Shape) -> impl Iterator<Item = (&String, &Value)> {
    shape.get("patternProperties").and_then(Value::as_object).into_iter().flatten()
}

/// What is written besides the fields on purpose: an object that says nothing of it holds nothing else.
fn entries(shape: &Shape) -> Option<&Value> {
    shape.get("additionalProperties").filter(|entries| entries.as_bool() != Some(false))
}
