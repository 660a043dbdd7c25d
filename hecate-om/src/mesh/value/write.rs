//! Writes a message as a value.

mod key;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::error::kind;
use super::{MAX_DEPTH, MAX_ITEMS, Reason, Value, ValueError};
use crate::contract::RESERVED;
use key::KeyWriter;

/// Where a value is written.
pub(super) struct Writer<'a> {
    /// How many values and keys the message has so far.
    items: &'a mut usize,
    /// How many lists and maps are around: none around the message itself.
    level: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(items: &'a mut usize) -> Self {
        Self { items, level: 0 }
    }

    fn leaf(self, value: Value) -> Result<Value, ValueError> {
        if self.level == 0 {
            return Err(Reason::NotAnObject(kind(&value)).into());
        }
        count(self.items)?;
        Ok(value)
    }

    fn integer<N: TryInto<i64> + ToString + Copy>(self, number: N) -> Result<Value, ValueError> {
        match number.try_into() {
            Ok(fits) => self.leaf(Value::Int(fits.into())),
            Err(_) => Err(Reason::IntegerOutOfRange(number.to_string()).into()),
        }
    }

    fn list(self, length: usize) -> Result<List<'a>, ValueError> {
        if self.level == 0 {
            return Err(Reason::NotAnObject("a list").into());
        }
        let level = enter(self.items, self.level)?;
        Ok(List { items: self.items, level, values: Vec::with_capacity(expected(length)), variant: None })
    }

    fn fields(self, length: usize) -> Result<Fields<'a>, ValueError> {
        let level = enter(self.items, self.level)?;
        let entries = Vec::with_capacity(expected(length));
        Ok(Fields { items: self.items, level, entries, key: None, variant: None })
    }

    /// The writer of what a variant holds, which stands in a map under its name.
    fn variant(self, name: &'static str) -> Result<Writer<'a>, ValueError> {
        let level = enter(self.items, self.level)?;
        check_name(name, level)?;
        count(self.items)?;
        Ok(Writer { items: self.items, level })
    }
}

fn count(items: &mut usize) -> Result<(), ValueError> {
    *items += 1;
    if *items > MAX_ITEMS { Err(Reason::TooManyItems.into()) } else { Ok(()) }
}

/// Counts a list or map; how deep what is in it lies.
fn enter(items: &mut usize, level: usize) -> Result<usize, ValueError> {
    count(items)?;
    if level < MAX_DEPTH { Ok(level + 1) } else { Err(Reason::TooDeep.into()) }
}

/// A field of the message itself must not have a name that the mesh uses.
fn check_name(name: &str, level: usize) -> Result<(), ValueError> {
    match RESERVED.into_iter().find(|reserved| *reserved == name) {
        Some(reserved) if level == 1 => Err(ValueError::from(Reason::Reserved(reserved)).in_field(name)),
        _ => Ok(()),
    }
}

/// Room for what a type says that it has: a claim, until it is written.
fn expected(length: usize) -> usize {
    length.min(1024)
}

/// What stands under the name of a variant, if it does.
fn named(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::Map(vec![(Value::text(variant), value)]),
        None => value,
    }
}

/// The same, told from outside of the variant.
fn told_outside(variant: Option<&'static str>, error: ValueError) -> ValueError {
    match variant {
        Some(variant) => error.in_field(variant),
        None => error,
    }
}

impl<'a> Serializer for Writer<'a> {
    type Ok = Value;
    type Error = ValueError;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Fields<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    fn serialize_bool(self, value: bool) -> Result<Value, ValueError> {
        self.leaf(Value::Int(value.into()))
    }

    fn serialize_i8(self, value: i8) -> Result<Value, ValueError> {
        self.integer(value)
    }

    fn serialize_i16(self, value: i16) -> Result<Value, ValueError> {
        self.integer(value)
    }

    fn serialize_i32(self, value: i32) -> Result<Value, ValueError> {
        self.integer(value)
    }

    fn serialize_i64(self, value: i64) -> Result<Value, ValueError> {
        self.integer(value)
    }

    fn serialize_i128(self, value: i128) -> Result<Value, ValueError> {
        self.integer(value)
    }

    fn serialize_u8(self, value: u8) -> Result<Value, ValueError> {
        self.integer(value)
    }

    fn serialize_u16(self, value: u16) -> Result<Value, ValueError> {
        self.integer(value)
    }

    fn serialize_u32(self, value: u32) -> Result<Value, ValueError> {
        self.integer(value)
    }

    fn serialize_u64(self, value: u64) -> Result<Value, ValueError> {
        self.integer(value)
    }

    fn serialize_u128(self, value: u128) -> Result<Value, ValueError> {
        self.integer(value)
    }

    fn serialize_f32(self, value: f32) -> Result<Value, ValueError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Value, ValueError> {
        if value.is_finite() { self.leaf(Value::Float(value)) } else { Err(Reason::NotFinite(value).into()) }
    }

    fn serialize_char(self, value: char) -> Result<Value, ValueError> {
        self.leaf(Value::Text(value.into()))
    }

    fn serialize_str(self, value: &str) -> Result<Value, ValueError> {
        self.leaf(Value::text(value))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value, ValueError> {
        self.leaf(Value::Bytes(value.to_owned()))
    }

    fn serialize_none(self) -> Result<Value, ValueError> {
        self.leaf(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, ValueError> {
        match self.level {
            0 => SerializeMap::end(self.fields(0)?),
            _ => self.leaf(Value::Null),
        }
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, ValueError> {
        self.leaf(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, ValueError> {
        self.leaf(Value::text(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        let value = value.serialize(self.variant(variant)?);
        value.map(|value| named(Some(variant), value)).map_err(|error| error.in_field(variant))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<List<'a>, ValueError> {
        self.list(length.unwrap_or(0))
    }

    fn serialize_tuple(self, length: usize) -> Result<List<'a>, ValueError> {
        self.list(length)
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<List<'a>, ValueError> {
        self.list(length)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<List<'a>, ValueError> {
        let list = self.variant(variant)?.list(length).map_err(|error| error.in_field(variant))?;
        Ok(List { variant: Some(variant), ..list })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Fields<'a>, ValueError> {
        self.fields(length.unwrap_or(0))
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Fields<'a>, ValueError> {
        self.fields(length)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Fields<'a>, ValueError> {
        let fields = self.variant(variant)?.fields(length).map_err(|error| error.in_field(variant))?;
        Ok(Fields { variant: Some(variant), ..fields })
    }
}

/// A list that is being written.
pub(super) struct List<'a> {
    items: &'a mut usize,
    level: usize,
    values: Vec<Value>,
    /// Under which name of a variant it stands.
    variant: Option<&'static str>,
}

impl List<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let written = value.serialize(Writer { items: self.items, level: self.level });
        let written = written.map_err(|error| told_outside(self.variant, error.at_index(self.values.len())));
        self.values.push(written?);
        Ok(())
    }

    fn finish(self) -> Value {
        named(self.variant, Value::List(self.values))
    }
}

/// A map that is being written.
pub(super) struct Fields<'a> {
    items: &'a mut usize,
    level: usize,
    entries: Vec<(Value, Value)>,
    /// The key of the value that is next.
    key: Option<String>,
    /// Under which name of a variant it stands.
    variant: Option<&'static str>,
}

impl Fields<'_> {
    fn add<T: Serialize + ?Sized>(&mut self, key: String, value: &T) -> Result<(), ValueError> {
        check_name(&key, self.level)?;
        let written = count(self.items).and_then(|()| {
            let level = self.level;
            value.serialize(Writer { items: self.items, level })
        });
        match written {
            Ok(value) => self.entries.push((Value::Text(key), value)),
            Err(error) => return Err(told_outside(self.variant, error.in_field(&key))),
        }
        Ok(())
    }

    fn finish(self) -> Result<Value, ValueError> {
        if let Some(key) = super::read::twice(&self.entries) {
            let error = ValueError::from(Reason::DuplicateKey(key.to_owned()));
            return Err(told_outside(self.variant, error));
        }
        Ok(named(self.variant, Value::Map(self.entries)))
    }
}

impl SerializeSeq for List<'_> {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.add(value)
    }

    fn end(self) -> Result<Value, ValueError> {
        Ok(self.finish())
    }
}

impl SerializeTuple for List<'_> {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.add(value)
    }

    fn end(self) -> Result<Value, ValueError> {
        Ok(self.finish())
    }
}

impl SerializeTupleStruct for List<'_> {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.add(value)
    }

    fn end(self) -> Result<Value, ValueError> {
        Ok(self.finish())
    }
}

impl SerializeTupleVariant for List<'_> {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.add(value)
    }

    fn end(self) -> Result<Value, ValueError> {
        Ok(self.finish())
    }
}

impl SerializeMap for Fields<'_> {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        let key = key.serialize(KeyWriter).map_err(|error| told_outside(self.variant, error))?;
        self.key = Some(key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let key = self.key.take().ok_or_else(|| ValueError::custom("a value of a map came before its key"))?;
        self.add(key, value)
    }

    fn end(self) -> Result<Value, ValueError> {
        self.finish()
    }
}

impl SerializeStruct for Fields<'_> {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), ValueError> {
        self.add(key.to_owned(), value)
    }

    fn end(self) -> Result<Value, ValueError> {
        self.finish()
    }
}

impl SerializeStructVariant for Fields<'_> {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), ValueError> {
        self.add(key.to_owned(), value)
    }

    fn end(self) -> Result<Value, ValueError> {
        self.finish()
    }
}
