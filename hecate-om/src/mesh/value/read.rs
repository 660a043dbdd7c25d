//! Reads a message from a value.

mod containers;
mod key;

use serde::de::value::StrDeserializer;
use serde::de::{Deserializer, Error, Expected, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::{MAX_DEPTH, Reason, Value, ValueError};
pub(super) use containers::twice;
use containers::{ListReader, MapReader, VariantReader};

/// A value that is to be read.
pub(super) struct Reader {
    value: Value,
    /// How many lists and maps are around: none around the message itself.
    level: usize,
}

impl Reader {
    pub(super) fn new(value: Value) -> Self {
        Self { value, level: 0 }
    }

    fn unexpected(&self, expected: &dyn Expected) -> ValueError {
        ValueError::invalid_type(unexpected(&self.value), expected)
    }

    /// The wire has no deeper values, but not every value is from the wire.
    fn enter(level: usize) -> Result<usize, ValueError> {
        if level < MAX_DEPTH { Ok(level + 1) } else { Err(Reason::TooDeep.into()) }
    }

    fn read_list<'de, V: Visitor<'de>>(items: Vec<Value>, level: usize, visitor: V) -> Result<V::Value, ValueError> {
        let mut list = ListReader::new(items, Self::enter(level)?);
        let read = visitor.visit_seq(&mut list)?;
        list.finish(read)
    }

    fn read_map<'de, V: Visitor<'de>>(
        entries: Vec<(Value, Value)>,
        level: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let mut map = MapReader::new(entries, Self::enter(level)?)?;
        let read = visitor.visit_map(&mut map)?;
        map.finish(read)
    }

    fn read_integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Int(number) => visit_integer(number, visitor),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn read_number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Float(number) => visitor.visit_f64(number),
            // Other peers write 1 where they mean 1.0.
            _ => self.read_integer(visitor),
        }
    }

    fn read_text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Text(text) => visitor.visit_string(text),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn read_bytes<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            // How JSON has them, and how `Vec<u8>` writes them.
            Value::List(items) => Self::read_list(items, self.level, visitor),
            _ => self.read_text(visitor),
        }
    }

    fn read_sequence<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::List(items) => Self::read_list(items, self.level, visitor),
            // Other peers have bytes where a `Vec<u8>` is meant.
            Value::Bytes(bytes) => {
                let items = bytes.into_iter().map(|byte| Value::Int(byte.into())).collect();
                Self::read_list(items, self.level, visitor)
            }
            _ => Err(self.unexpected(&visitor)),
        }
    }
}

/// As serde's own types expect integers: as a `u64` where they are one.
fn visit_integer<'de, V: Visitor<'de>>(number: i128, visitor: V) -> Result<V::Value, ValueError> {
    if let Ok(number) = u64::try_from(number) {
        visitor.visit_u64(number)
    } else if let Ok(number) = i64::try_from(number) {
        visitor.visit_i64(number)
    } else {
        visitor.visit_i128(number)
    }
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Int(number) => match i64::try_from(*number) {
            Ok(number) => Unexpected::Signed(number),
            Err(_) => Unexpected::Other("integer out of range"),
        },
        Value::Bytes(bytes) => Unexpected::Bytes(bytes),
        Value::Text(text) => Unexpected::Str(text),
        Value::List(_) => Unexpected::Seq,
        Value::Map(_) => Unexpected::Map,
        Value::Null => Unexpected::Other("null"),
        Value::Float(number) => Unexpected::Float(*number),
    }
}

macro_rules! read_with {
    ($read:ident: $($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            self.$read(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Int(number) => visit_integer(number, visitor),
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            Value::Text(text) => visitor.visit_string(text),
            Value::List(items) => Self::read_list(items, self.level, visitor),
            Value::Map(entries) => Self::read_map(entries, self.level, visitor),
            Value::Null => visitor.visit_unit(),
            Value::Float(number) => visitor.visit_f64(number),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Int(0) => visitor.visit_bool(false),
            Value::Int(1) => visitor.visit_bool(true),
            _ => Err(self.unexpected(&"0 or 1, as a boolean is on the mesh")),
        }
    }

    read_with!(read_integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128);
    read_with!(read_number: deserialize_f32 deserialize_f64);
    read_with!(read_text: deserialize_char deserialize_str deserialize_string);
    read_with!(read_bytes: deserialize_bytes deserialize_byte_buf);
    read_with!(read_sequence: deserialize_seq);

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            // A message without content.
            Value::Map(_) if self.level == 0 => visitor.visit_unit(),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.read_sequence(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.read_sequence(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Map(entries) => Self::read_map(entries, self.level, visitor),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.value {
            // As from JSON.
            Value::List(items) => Self::read_list(items, self.level, visitor),
            _ => self.deserialize_map(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Text(variant) => visitor.visit_enum(StrDeserializer::new(&variant)),
            Value::Map(entries) => visitor.visit_enum(VariantReader::new(entries, Self::enter(self.level)?)?),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any!(identifier);
}
