//! Writes the key of a map: text, and what JSON, too, turns into text.

use serde::ser::{Impossible, Serialize, Serializer};

use super::super::{Reason, ValueError};

/// Makes text of a key.
pub(super) struct KeyWriter;

type Never = Impossible<String, ValueError>;

fn not_text<T>(found: &'static str) -> Result<T, ValueError> {
    Err(Reason::Key(found).into())
}

/// What is the same text in JSON.
macro_rules! as_text {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<String, ValueError> {
            Ok(value.to_string())
        }
    )*};
}

impl Serializer for KeyWriter {
    type Ok = String;
    type Error = ValueError;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    as_text! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_char: char,
        serialize_str: &str
    }

    fn serialize_f32(self, _: f32) -> Result<String, ValueError> {
        not_text("a number that may have a fraction")
    }

    fn serialize_f64(self, _: f64) -> Result<String, ValueError> {
        not_text("a number that may have a fraction")
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<String, ValueError> {
        not_text("bytes")
    }

    fn serialize_none(self) -> Result<String, ValueError> {
        not_text("`None`")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<String, ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<String, ValueError> {
        not_text("`()`")
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<String, ValueError> {
        not_text(name)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<String, ValueError> {
        Ok(variant.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<String, ValueError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<String, ValueError> {
        not_text(variant)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Never, ValueError> {
        not_text("a list")
    }

    fn serialize_tuple(self, _: usize) -> Result<Never, ValueError> {
        not_text("a list")
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Never, ValueError> {
        not_text(name)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Never, ValueError> {
        not_text(variant)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Never, ValueError> {
        not_text("a map")
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Never, ValueError> {
        not_text(name)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Never, ValueError> {
        not_text(variant)
    }
}
