//! What two hecate peers say to each other between the items of a stream.

use crate::capability::CapabilityError;
use crate::mesh::metadata;
use crate::mesh::value::Value;

/// Something said in band: a map with nothing but `_hecate`.
#[derive(Debug)]
pub(crate) enum Word {
    /// The provider has let the call in: its requests may come.
    Taken,
    /// The handler has answered with a stream.
    Open,
    /// So much of what was sent has been taken, since the beginning.
    Credit(u64),
    /// The caller's last item was sent; it still has credit to give, which an end of the SDK's would end.
    End,
    /// What the call ended with.
    Error(CapabilityError),
    /// A word of a later version.
    Other,
}

impl Word {
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Taken => metadata::word("taken", Value::Int(1)),
            Self::Open => metadata::word("open", Value::Int(1)),
            Self::Credit(total) => metadata::word("credit", Value::Int((*total).into())),
            Self::End => metadata::word("end", Value::Int(1)),
            Self::Error(error) => metadata::refusal(error),
            Self::Other => metadata::word("other", Value::Int(1)),
        }
    }

    /// The word that a value is, if it is one.
    pub(crate) fn of(value: &mut Value) -> Option<Self> {
        let is_word = matches!(value, Value::Map(fields) if fields.len() == 1) && metadata::is_told(value);
        if !is_word {
            return None;
        }
        if let Some(error) = metadata::take_error(value) {
            return Some(Self::Error(error));
        }
        let told = metadata::take(value)?;
        Some(match (told.get("credit"), told.get("taken"), told.get("open"), told.get("end")) {
            (Some(Value::Int(total)), ..) => u64::try_from(*total).map_or(Self::Other, Self::Credit),
            (_, Some(_), ..) => Self::Taken,
            (_, _, Some(_), _) => Self::Open,
            (.., Some(_)) => Self::End,
            _ => Self::Other,
        })
    }

    /// The word that a value is, or the item, without what stands under `_hecate` beside its fields: that may be
    /// of a later version, and is never the item's own.
    pub(crate) fn or_item(mut value: Value) -> Result<Self, Value> {
        if let Some(word) = Self::of(&mut value) {
            return Ok(word);
        }
        metadata::take(&mut value);
        Err(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_it_was_said() {
        for (word, shown) in [
            (Word::Taken, "Taken"),
            (Word::Open, "Open"),
            (Word::Credit(131_072), "Credit(131072)"),
            (Word::End, "End"),
            (Word::Other, "Other"),
        ] {
            assert_eq!(format!("{:?}", Word::of(&mut word.value()).unwrap()), shown);
        }
        let Some(Word::Error(error)) = Word::of(&mut Word::Error(CapabilityError::refused("no", "not now")).value())
        else {
            panic!("no error")
        };
        assert_eq!((error.code(), error.message()), ("no", "not now"));
    }

    #[test]
    fn an_item_is_no_word() {
        let item = |key: &str| Value::Map(vec![(Value::text(key), Value::Map(Vec::new()))]);
        assert!(Word::of(&mut item("text")).is_none());
        assert!(Word::of(&mut Value::Null).is_none());
        assert!(Word::of(&mut Value::Map(Vec::new())).is_none());
        assert!(matches!(Word::of(&mut item("_hecate")), Some(Word::Other)));
    }

    #[test]
    fn what_stands_beside_an_item_is_none_of_it() {
        let (name, word) = (Value::text("name"), Value::text("_hecate"));
        let item = Value::Map(vec![(name.clone(), Value::Int(1)), (word, Value::Int(5))]);
        assert_eq!(Word::or_item(item).unwrap_err(), Value::Map(vec![(name, Value::Int(1))]));
    }
}
