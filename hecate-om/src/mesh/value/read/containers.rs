//! Reads what lists, maps and variants hold.

use std::vec::IntoIter;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::super::error::kind;
use super::key::KeyReader;
use super::{Reader, Reason, Value, ValueError};

/// The items of a list that are left.
pub(super) struct ListReader {
    items: IntoIter<Value>,
    next: usize,
    level: usize,
}

impl ListReader {
    pub(super) fn new(items: Vec<Value>, level: usize) -> Self {
        Self { items: items.into_iter(), next: 0, level }
    }

    /// What was read, if that was all.
    pub(super) fn finish<T>(self, read: T) -> Result<T, ValueError> {
        match self.items.len() {
            0 => Ok(read),
            left => Err(ValueError::invalid_length(self.next + left, &format!("a list of {}", self.next).as_str())),
        }
    }
}

impl<'de> SeqAccess<'de> for &mut ListReader {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ValueError> {
        let Some(value) = self.items.next() else {
            return Ok(None);
        };
        let index = self.next;
        self.next += 1;
        seed.deserialize(Reader { value, level: self.level }).map(Some).map_err(|error| error.at_index(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a map that are left.
pub(super) struct MapReader {
    entries: IntoIter<(Value, Value)>,
    /// The entry whose key was read.
    current: Option<(String, Value)>,
    level: usize,
}

impl MapReader {
    pub(super) fn new(mut entries: Vec<(Value, Value)>, level: usize) -> Result<Self, ValueError> {
        if entries.iter().any(|(key, _)| !matches!(key, Value::Text(_))) {
            // Other peers have integers for keys; on the wire 1 and "1" are two.
            for (key, _) in &mut entries {
                *key = Value::Text(text_of(std::mem::replace(key, Value::Null))?);
            }
            if let Some(key) = twice(&entries) {
                return Err(Reason::DuplicateKey(key.to_owned()).into());
            }
        }
        Ok(Self { entries: entries.into_iter(), current: None, level })
    }

    /// What was read, if that was all.
    pub(super) fn finish<T>(self, read: T) -> Result<T, ValueError> {
        match self.entries.len() {
            0 => Ok(read),
            left => Err(ValueError::invalid_length(left, &"a map with fewer entries")),
        }
    }
}

impl<'de> MapAccess<'de> for &mut MapReader {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ValueError> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        let (key, _) = self.current.insert((text_of(key)?, value));
        seed.deserialize(KeyReader(key)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ValueError> {
        let current = self.current.take();
        let (key, value) =
            current.ok_or_else(|| ValueError::custom("a value of a map was asked for before its key"))?;
        seed.deserialize(Reader { value, level: self.level }).map_err(|error| error.in_field(&key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// A variant that holds something: a map of one.
pub(super) struct VariantReader {
    name: String,
    value: Value,
    level: usize,
}

impl VariantReader {
    pub(super) fn new(entries: Vec<(Value, Value)>, level: usize) -> Result<Self, ValueError> {
        match <[_; 1]>::try_from(entries) {
            Ok([(name, value)]) => Ok(Self { name: text_of(name)?, value, level }),
            Err(_) => Err(ValueError::invalid_value(Unexpected::Map, &"a map of one, from a variant to what it holds")),
        }
    }

    fn within<T>(self, read: impl FnOnce(Reader) -> Result<T, ValueError>) -> Result<T, ValueError> {
        read(Reader { value: self.value, level: self.level }).map_err(|error| error.in_field(&self.name))
    }
}

impl<'de> EnumAccess<'de> for VariantReader {
    type Error = ValueError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ValueError> {
        let variant = seed.deserialize(StrDeserializer::<ValueError>::new(&self.name))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for VariantReader {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        self.within(serde::Deserialize::deserialize)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ValueError> {
        self.within(|reader| seed.deserialize(reader))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.within(|reader| reader.deserialize_tuple(length, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.within(|reader| reader.deserialize_struct("", fields, visitor))
    }
}

/// A key as text, as the SDKs of other languages give it to their callers.
fn text_of(key: Value) -> Result<String, ValueError> {
    match key {
        Value::Text(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string()),
        other => Err(Reason::Key(kind(&other)).into()),
    }
}

/// A key that more than one entry has.
pub(in super::super) fn twice(entries: &[(Value, Value)]) -> Option<&str> {
    fn text((key, _): &(Value, Value)) -> &str {
        if let Value::Text(text) = key { text } else { "" }
    }
    // Nearly every map is a small struct.
    if entries.len() <= 12 {
        let mut later = entries;
        while let Some((first, rest)) = later.split_first() {
            if rest.iter().any(|other| text(other) == text(first)) {
                return Some(text(first));
            }
            later = rest;
        }
        return None;
    }
    let mut keys: Vec<_> = entries.iter().map(text).collect();
    keys.sort_unstable();
    keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}
