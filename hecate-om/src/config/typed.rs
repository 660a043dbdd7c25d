//! Reads values as the types that an author wants, by serde. Text of the environment has no type of
//! its own: it is read as whatever is wanted of it.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess};
use serde::de::{Unexpected, VariantAccess, Visitor};

use super::value::{Entry, Node, Origin, Value};

/// Why a value is not what was wanted.
#[derive(Debug)]
pub(super) struct Mistake {
    /// The keys and indices that lead to it, the outermost first.
    pub(super) path: Vec<String>,
    pub(super) origin: Option<Origin>,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// It does not fit; what would, in serde's words.
    Unfit(String),
    /// There is no such key; those that there are.
    Unknown(String, &'static [&'static str]),
    /// A key is missing.
    Missing(String),
    /// Text cannot hold it.
    OnlyInToml,
    /// What the author says.
    Told(String),
}

impl Mistake {
    fn new(what: What) -> Self {
        Self { path: Vec::new(), origin: None, what }
    }

    /// The innermost place counts.
    fn within(mut self, key: &str, origin: &Origin) -> Self {
        self.path.insert(0, key.to_owned());
        self.origin.get_or_insert_with(|| origin.clone());
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Unfit(wanted) => write!(f, "expected {wanted}"),
            What::Unknown(key, _) => write!(f, "unknown key `{key}`"),
            What::Missing(key) => write!(f, "`{key}` is missing"),
            What::OnlyInToml => f.write_str("only TOML can hold it"),
            What::Told(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Told(message.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(What::Unfit(wanted.to_string()))
    }

    fn invalid_value(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(What::Unfit(wanted.to_string()))
    }

    fn invalid_length(_: usize, wanted: &dyn Expected) -> Self {
        Self::new(What::Unfit(wanted.to_string()))
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
        Self::new(What::Unfit(format!("one of {}", known.join(", "))))
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::Unknown(key.to_owned(), known))
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(What::Missing(key.to_owned()))
    }
}

/// The settings of a service. Remembers which of them is being read, so that one that is wrong can be
/// told and left out, and the rest read again.
pub(super) struct Settings<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) current: &'a Current,
}

/// The key of the setting that is being read.
pub(super) type Current = RefCell<Option<String>>;

impl<'de> Deserializer<'de> for Settings<'_> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_map(Entries { entries: self.entries.iter(), value: None, current: Some(self.current) })
    }

    /// A service without settings.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, Entry>,
    value: Option<&'a Entry>,
    current: Option<&'a Current>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mistake> {
        let Some(entry) = self.entries.next() else { return Ok(None) };
        self.value = Some(entry);
        let at_key = |mut mistake: Mistake| {
            mistake.origin.get_or_insert_with(|| entry.key_origin.clone());
            mistake
        };
        let key: StrDeserializer<'_, Mistake> = entry.key.as_str().into_deserializer();
        if let Some(current) = self.current {
            current.replace(Some(entry.key.clone()));
        }
        let key = seed.deserialize(key).map_err(at_key)?;
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Mistake> {
        let Some(entry) = self.value.take() else { return Err(de::Error::custom("a value without its key")) };
        let value = seed.deserialize(&entry.node).map_err(|mistake| mistake.within(&entry.key, &entry.node.origin))?;
        if let Some(current) = self.current {
            current.take();
        }
        Ok(value)
    }
}

struct Elements<'a>(std::iter::Enumerate<std::slice::Iter<'a, Node>>);

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mistake> {
        let Some((index, node)) = self.0.next() else { return Ok(None) };
        seed.deserialize(node).map(Some).map_err(|mistake| mistake.within(&index.to_string(), &node.origin))
    }
}

/// A variant of an enum: its name, or a table with its name and what it holds.
struct Variant<'a> {
    name: &'a str,
    content: Option<&'a Node>,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Mistake;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Mistake> {
        let name: StrDeserializer<'_, Mistake> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Mistake;

    fn unit_variant(self) -> Result<(), Mistake> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(Mistake::new(What::Unfit(format!("`\"{}\"` alone", self.name)))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mistake> {
        seed.deserialize(self.content.ok_or_else(|| Mistake::new(What::OnlyInToml))?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Mistake> {
        self.content.ok_or_else(|| Mistake::new(What::OnlyInToml))?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Mistake> {
        self.content.ok_or_else(|| Mistake::new(What::OnlyInToml))?.deserialize_map(visitor)
    }
}

/// Reads text as a number, and everything else as what it is.
macro_rules! numbers {
    ($($method:ident $visit:ident $number:ty,)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            match &self.value {
                Value::Text(text) => match text.trim().parse::<$number>() {
                    Ok(number) => visitor.$visit(number),
                    Err(_) => Err(Mistake::new(What::Unfit(stringify!($number).to_owned()))),
                },
                _ => self.deserialize_any(visitor),
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for &Node {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Text(text) | Value::String(text) => visitor.visit_str(text),
            Value::NoText => Err(Mistake::new(What::Unfit("text".to_owned()))),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(truth) => visitor.visit_bool(*truth),
            Value::List(nodes) => visitor.visit_seq(Elements(nodes.iter().enumerate())),
            Value::Table(entries) => visitor.visit_map(Entries { entries: entries.iter(), value: None, current: None }),
        }
    }

    numbers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_u128 visit_u128 u128,
        deserialize_f32 visit_f32 f32, deserialize_f64 visit_f64 f64, deserialize_bool visit_bool bool,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    /// Text is a list with commas; what is empty between them is dropped.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let Value::Text(text) = &self.value else { return self.deserialize_any(visitor) };
        let part = |part: &str| Node { value: Value::Text(part.to_owned()), origin: self.origin.clone() };
        let nodes: Vec<_> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(part).collect();
        visitor.visit_seq(Elements(nodes.iter().enumerate()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Text(_) => Err(Mistake::new(What::OnlyInToml)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Text(text) | Value::String(text) => visitor.visit_enum(Variant { name: text, content: None }),
            Value::Table(entries) if entries.len() == 1 => {
                let entry = &entries[0];
                let variant = Variant { name: &entry.key, content: Some(&entry.node) };
                visitor.visit_enum(variant).map_err(|mistake| mistake.within(&entry.key, &entry.node.origin))
            }
            _ => Err(de::Error::unknown_variant("", known)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct identifier
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::*;

    fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        let node = Node { value: Value::Text(text.to_owned()), origin: Origin::Default };
        T::deserialize(&node).map_err(|mistake| mistake.to_string())
    }

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Tone {
        Soft,
        VeryLoud,
        Tuned(u8),
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Level(u8);

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(try_from = "u8")]
    struct Even(u8);

    impl TryFrom<u8> for Even {
        type Error = String;

        fn try_from(number: u8) -> Result<Self, String> {
            if number.is_multiple_of(2) { Ok(Self(number)) } else { Err(format!("{number} is odd")) }
        }
    }

    #[test]
    fn text_is_read_as_what_is_wanted() {
        assert_eq!(read::<u8>("7"), Ok(7));
        assert_eq!(read::<i128>("-170141183460469231731687303715884105728"), Ok(i128::MIN));
        assert_eq!(read::<f64>("1e-3"), Ok(0.001));
        assert_eq!(read::<bool>("true"), Ok(true));
        assert_eq!(read::<char>("x"), Ok('x'));
        assert_eq!(read::<String>("7"), Ok("7".to_owned()));
        assert_eq!(read::<Option<u16>>("7"), Ok(Some(7)));
        assert_eq!(read::<Option<Option<Level>>>("7"), Ok(Some(Some(Level(7)))));
        assert_eq!(read::<Tone>("very_loud"), Ok(Tone::VeryLoud));
        assert_eq!(read::<Vec<Tone>>("soft, very_loud,,"), Ok(vec![Tone::Soft, Tone::VeryLoud]));
        assert_eq!(read::<(u8, String)>("1, a b"), Ok((1, "a b".to_owned())));
        assert_eq!(read::<Even>("4"), Ok(Even(4)));
        assert_eq!(read::<IpAddr>("::1"), Ok(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])));
        assert_eq!(read::<Vec<String>>(","), Ok(vec![]));
    }

    #[test]
    fn text_that_is_something_else_is_refused() {
        assert!(read::<u8>("256").is_err());
        assert!(read::<u8>("-1").is_err());
        assert!(read::<bool>("yes").is_err());
        assert!(read::<char>("xy").is_err());
        assert!(read::<Vec<u8>>("1,b").is_err());
        assert!(read::<(u8, u8)>("1").is_err());
        assert_eq!(read::<Tone>("loud").unwrap_err(), "expected one of `soft`, `very_loud`, `tuned`");
        assert_eq!(read::<Tone>("tuned").unwrap_err(), "only TOML can hold it");
        assert_eq!(read::<BTreeMap<String, u8>>("a=1").unwrap_err(), "only TOML can hold it");
        assert_eq!(read::<Even>("3").unwrap_err(), "3 is odd");
        assert!(read::<()>("x").is_err());
    }
}
