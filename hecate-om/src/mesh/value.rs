//! Messages as values of the mesh, and back.
//!
//! Apart from `capability::json`, its twin: both carry the same types and read them alike. What the mesh
//! has no form for is refused where it is written, with its path, before anything is sent:
//!
//! - There is no boolean: `true` is 1 and read back by its type. A type that first looks at what came
//!   (untagged, internally tagged, flattened, `serde_json::Value`) finds the number.
//! - An integer is an `i64`, a number with a fraction a finite `f64`; `1.0` is not `1`, but an `f64`
//!   may be read from both.
//! - A key is text. Integers, booleans, characters and names of variants become text as in JSON.
//! - `()` is `{}`, and an empty map is read as `()`.

mod error;
mod read;
mod size;
#[cfg(test)]
mod tests;
mod write;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use error::{Reason, ValueError, cut};
pub(crate) use macula_rust::cbor::Value;
pub(crate) use size::size;

/// How many lists and maps may lie around a value: a frame takes one of the 64 of the wire.
pub(crate) const MAX_DEPTH: usize = 63;

/// How many values and keys a message may have: the 131,008 that a frame leaves to its payload, less what
/// `_hecate` takes of them.
pub(crate) const MAX_ITEMS: usize = 131_008 - 16;

/// How many bytes a message may have: what a frame has room for, less 64 KiB for its envelope (keys,
/// signatures and a token of the larger profile).
pub(crate) const MAX_BYTES: usize = 16_777_215 - 65_536;

/// A message as a value.
///
/// # Errors
/// When something in it cannot be carried.
pub(crate) fn encode<T: Serialize + ?Sized>(message: &T) -> Result<Value, ValueError> {
    let mut items = 0;
    let value = message.serialize(write::Writer::new(&mut items))?;
    match size(&value) {
        bytes if bytes > MAX_BYTES => Err(Reason::TooLarge(bytes).into()),
        _ => Ok(value),
    }
}

/// The message that a value stands for. Fields that its type does not know are as good as absent, unless
/// the type says otherwise.
///
/// # Errors
/// When it is not such a message.
pub(crate) fn decode<T: DeserializeOwned>(value: Value) -> Result<T, ValueError> {
    // serde would read a struct from a list, too.
    match value {
        Value::Map(_) => T::deserialize(read::Reader::new(value)),
        other => Err(Reason::NotAnObject(error::kind(&other)).into()),
    }
}
