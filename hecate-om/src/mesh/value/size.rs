//! How large a value is as it travels, without writing it.

use super::Value;

/// How many bytes a value has as it travels.
pub(crate) fn size(value: &Value) -> usize {
    // Not by recursion: a value that was not read from the wire can be of any depth.
    let mut left = vec![value];
    let mut bytes: usize = 0;
    while let Some(value) = left.pop() {
        bytes += match value {
            Value::Int(number) => head(magnitude(*number)),
            Value::Bytes(content) => head(content.len() as u64) + content.len(),
            Value::Text(text) => head(text.len() as u64) + text.len(),
            Value::List(items) => {
                left.extend(items);
                head(items.len() as u64)
            }
            Value::Map(entries) => {
                left.extend(entries.iter().flat_map(|(key, value)| [key, value]));
                head(entries.len() as u64)
            }
            Value::Null => 1,
            Value::Float(_) => 9,
        };
    }
    bytes
}

/// What is written of an integer beside its sign.
fn magnitude(number: i128) -> u64 {
    let magnitude = if number < 0 { -(number + 1) } else { number };
    u64::try_from(magnitude).unwrap_or(u64::MAX)
}

/// The bytes of a kind with a number.
fn head(number: u64) -> usize {
    match number {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}
