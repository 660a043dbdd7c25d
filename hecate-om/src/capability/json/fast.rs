//! Large messages through sonic-rs, with the feature `fast-json`. What it and serde_json would see
//! differently is left to serde_json: both must take and refuse the same, and say the same of it.
//! Only the last digit of a fraction may differ (sonic-rs takes the nearest number), and the sign of a
//! zero that is written with an exponent.

use std::sync::LazyLock;

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// From how many bytes on it is worth it; below, serde_json is faster.
const LARGE: usize = 1024;
/// serde_json stops at 127, sonic-rs at 254 and with larger steps on the stack: so that a stack that is
/// enough for one is enough for the other, sonic-rs gets what is flat, as large messages are.
const MAX_DEPTH: usize = 32;

/// Reads a message, unless serde_json should.
pub(super) fn decode<R: DeserializeOwned>(body: &[u8]) -> Option<R> {
    // sonic-rs does not look closely at what it skips; serde_json does, and is quick where nothing is kept.
    if body.len() < LARGE
        || keeps_numbers_as_text()
        || is_deep(body)
        || serde_json::from_slice::<IgnoredAny>(body).is_err()
    {
        return None;
    }
    sonic_rs::from_slice(body).ok()
}

/// Writes a message that is expected to be large; says whether it did. If not, nothing is written.
pub(super) fn encode<T: Serialize>(message: &T, expected: usize, to: &mut Vec<u8>) -> bool {
    if expected < LARGE {
        return false;
    }
    let written = sonic_rs::to_writer(&mut *to, message).is_ok() && !holds_secret_of_serde_json(to);
    if !written {
        to.clear();
    }
    written
}

/// Whether something wrote itself in a way that only serde_json undoes: a `RawValue`, or with the feature
/// `arbitrary_precision`, which any crate may switch on, a number.
fn holds_secret_of_serde_json(written: &[u8]) -> bool {
    !std::str::from_utf8(written).is_ok_and(|text| !text.contains("$serde_json::private::"))
}

/// Whether that feature is on: sonic-rs would cut a number down to what fits 64 bits.
fn keeps_numbers_as_text() -> bool {
    static KEEPS: LazyLock<bool> = LazyLock::new(|| serde_json::from_str::<serde_json::Number>("1e999").is_ok());
    *KEEPS
}

/// Whether it is nested deeper than sonic-rs is asked to go.
fn is_deep(body: &[u8]) -> bool {
    // Counted in bytes, which the compiler does sixteen at a time; few messages open so many that they
    // could be deep.
    let opened_in = |piece: &[u8]| piece.iter().map(|byte| u8::from(matches!(byte, b'{' | b'['))).sum::<u8>();
    let opened = body.chunks(usize::from(u8::MAX)).map(|piece| usize::from(opened_in(piece))).sum::<usize>();
    opened > MAX_DEPTH && depth(body) > MAX_DEPTH
}

/// How deep a document is nested; of what is no document, anything.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::super::{decode as read, encode as write};
    use super::*;

    /// Made long enough for sonic-rs by what both skip.
    fn padded(body: &[u8]) -> Vec<u8> {
        [&vec![b' '; LARGE][..], body].concat()
    }

    #[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
    struct Order {
        items: Vec<Item>,
        #[serde(default)]
        note: Option<String>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
    struct Item {
        price: f64,
        #[serde(default)]
        count: u8,
        #[serde(default)]
        big: i64,
    }

    #[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
    struct Any {
        #[serde(flatten)]
        fields: BTreeMap<String, Value>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
    struct Nested {
        next: Option<Box<Nested>>,
    }

    fn nested(depth: usize) -> String {
        r#"{"next":"#.repeat(depth - 1) + r#"{"next":null}"# + &"}".repeat(depth - 1)
    }

    fn corpus() -> Vec<Vec<u8>> {
        let mut corpus: Vec<Vec<u8>> = [
            r#"{"items":[{"price":1,"count":3,"big":-9223372036854775808}],"note":"x"}"#,
            r#"{"items":[],"items":[]}"#,
            r#"{"items":[{"price":1,"price":2}]}"#,
            r#"{"items":[{"price":NaN}]}"#,
            r#"{"items":[{"price":Infinity}]}"#,
            r#"{"items":[{"price":-Infinity}]}"#,
            r#"{"items":[{"price":1e999}]}"#,
            r#"{"items":[{"price":-1e999}]}"#,
            r#"{"items":[{"price":1e-999}]}"#,
            r#"{"items":[{"price":0.1}, {"price":-0.0}, {"price":1e23}, {"price":123456789012345678901234567890}]}"#,
            r#"{"items":[{"price":01}]}"#,
            r#"{"items":[{"price":1.}]}"#,
            r#"{"items":[{"price":.5}]}"#,
            r#"{"items":[{"price":+1}]}"#,
            r#"{"items":[{"price":1,"count":256}]}"#,
            r#"{"items":[{"price":1,"count":-1}]}"#,
            r#"{"items":[{"price":1,"count":1.0}]}"#,
            r#"{"items":[{"price":1,"count":"1"}]}"#,
            r#"{"items":[{"price":1,"big":9223372036854775808}]}"#,
            r#"{"items":[{"price":null}]}"#,
            r#"{"items":[{}]}"#,
            r#"{"items":null}"#,
            r#"{"items":[],"note":"\ud800"}"#,
            r#"{"items":[],"note":"\ud83d\ude00 \u0000 \n \/ \""}"#,
            r#"{"items":[],"note":"\x"}"#,
            r#"{"items":[],"note":"\u12"}"#,
            r#"{"items":[],"more":"\ud800"}"#,
            r#"{"items":[],"more":[1,{"a":01}]}"#,
            r#"{"items":[],"more":tru}"#,
            r#"{"items":[],}"#,
            r#"{"items":[,]}"#,
            r#"{"items":[]"#,
            r#"{"items":[]} x"#,
            r#"{"items":[]} {}"#,
            r#"{items:[]}"#,
            r#"{'items':[]}"#,
            r#"{"items":[]/* no */}"#,
            "{\"items\":[],\"note\":\"a\tb\"}",
            "{\"items\":[],\"note\":\"a\0b\"}",
            "{\"items\":[],\"more\":\"a\nb\"}",
            "{\u{a0}\"items\":[]}",
            "null",
            "[[]]",
            "",
            "{",
        ]
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
        corpus.extend([
            b"{\"items\":[],\"note\":\"\xff\xfe\"}".to_vec(),
            b"{\"items\":[],\"more\":\"\xff\xfe\"}".to_vec(),
            b"{\"items\":[],\"\xff\":1}".to_vec(),
            b"{\"items\":[],\"note\":\"\xed\xa0\x80\"}".to_vec(),
            b"{\"items\":[]}\xff".to_vec(),
            b"\xef\xbb\xbf{\"items\":[]}".to_vec(),
        ]);
        for depth in [1, 100, 126, 127, 128, 129, 200, 254, 255, 256, 300, 10_000] {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            corpus.push(nested(depth).into_bytes());
            corpus.push(format!(r#"{{"items":[],"more":{open}{close}}}"#).into_bytes());
            corpus.push(format!(r#"{{"items":[],"more":{open}"#).into_bytes());
            corpus.push(format!(r#"{{"items":{open}{close}}}"#).into_bytes());
            corpus.push(format!(r#"{{"items":[],"note":"{open}"}}"#).into_bytes());
            let brackets_in_text = format!(r#"{{"a":["\"]{close}"],"next":{}}}"#, nested(depth));
            corpus.push(brackets_in_text.into_bytes());
        }
        corpus
    }

    /// Without the last digits of fractions: sonic-rs takes the nearest number, serde_json one beside it.
    fn rounded(shown: &str) -> String {
        let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e');
        let mut rounded = String::new();
        let mut rest = shown;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
            match rest[..end].parse::<f64>() {
                Ok(number) if rest[..end].contains('.') => rounded += &format!("{:.12e}", number + 0.0),
                _ if end > 0 => rounded += &rest[..end],
                _ => rounded.push(first),
            }
            rest = &rest[end.max(first.len_utf8() * usize::from(end == 0))..];
        }
        rounded
    }

    /// That both ways come to the same, also of every beginning and of every broken byte.
    fn agree<R: DeserializeOwned + std::fmt::Debug + 'static>(body: &[u8]) {
        let body = padded(body);
        let shown = String::from_utf8_lossy(&body[LARGE..body.len().min(LARGE + 80)]).into_owned();
        let (ours, theirs) = (read::<R>(&body), serde_json::from_slice::<R>(&body));
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(rounded(&format!("{ours:?}")), rounded(&format!("{theirs:?}")), "{shown}");
            }
            (Err(ours), Err(theirs)) => assert!(
                ours.message().contains(&theirs.to_string()) || ours.message().contains("a JSON object"),
                "{shown}: {ours} {theirs}"
            ),
            (ours, theirs) => {
                let is_object = body[LARGE..].first() == Some(&b'{');
                assert!(!is_object, "{shown}: {:?} {:?}", ours.is_ok(), theirs.is_ok());
            }
        }
    }

    #[test]
    fn both_ways_take_and_refuse_the_same() {
        for body in corpus() {
            agree::<Order>(&body);
            agree::<Any>(&body);
            agree::<Nested>(&body);
            if body.len() < 60 {
                for at in 0..body.len() {
                    agree::<Order>(&body[..at]);
                    agree::<Any>(&body[..at]);
                    for byte in [b'"', b'\\', b'{', b']', b'0', b'-', 0, 0xff] {
                        let mut broken = body.clone();
                        broken[at] = byte;
                        agree::<Order>(&broken);
                        agree::<Any>(&broken);
                    }
                }
            }
        }
    }

    /// What `RawValue`, and with its feature `arbitrary_precision` every number, is to serde_json alone.
    #[derive(serde::Serialize)]
    #[serde(rename = "$serde_json::private::RawValue")]
    struct Raw {
        #[serde(rename = "$serde_json::private::RawValue")]
        json: &'static str,
    }

    #[test]
    fn what_serde_json_keeps_to_itself_is_left_to_it() {
        let number: serde_json::Number = "12345678901234567890123.40".parse().unwrap();
        assert_eq!(write(&number, LARGE).unwrap(), number.to_string());
        let body = format!(r#"{{"a":{number},"b":1.10}}"#);
        let read: Any = read(&padded(body.as_bytes())).unwrap();
        assert_eq!(read, serde_json::from_str(&body).unwrap());
        let mut written = Vec::new();
        assert!(!encode(&[Raw { json: "[1]" }], LARGE, &mut written));
        assert!(written.is_empty());
        assert_eq!(write(&["$serde_json::private::"], LARGE).unwrap(), r#"["$serde_json::private::"]"#);
    }

    #[test]
    fn both_ways_write_the_same() {
        #[derive(serde::Serialize)]
        #[serde(untagged)]
        enum Odd {
            Float(f64),
            Single(f32),
            Text(String),
            Numbers(BTreeMap<i32, bool>),
            Letters(BTreeMap<char, ()>),
            Wide(u128),
            Bytes(&'static [u8]),
            Pair(u8, Option<i8>),
            Json(Value),
        }
        let all: String = (0..0x3000_u32).filter_map(char::from_u32).collect();
        let odd = vec![
            Odd::Float(f64::NAN),
            Odd::Float(f64::NEG_INFINITY),
            Odd::Float(-0.0),
            Odd::Float(0.1),
            Odd::Float(1e21),
            Odd::Float(1e16),
            Odd::Float(5e-324),
            Odd::Single(0.1),
            Odd::Single(16_777_216.0),
            Odd::Text(all),
            Odd::Numbers([(-1, true), (7, false)].into()),
            Odd::Letters([('"', ())].into()),
            Odd::Wide(u128::MAX),
            Odd::Bytes(b"\0\xff"),
            Odd::Pair(1, None),
            Odd::Json(serde_json::json!({"a": [1, -1, 1.5, null, true, {"b": "\u{2028}\u{7f}"}]})),
        ];
        for value in &odd {
            let theirs = serde_json::to_string(value).unwrap();
            let ours = write(value, LARGE).unwrap();
            assert_eq!(String::from_utf8_lossy(&ours), theirs);
        }
        // A key that is no text: refused either way, with nothing half-written in between.
        let wrong: BTreeMap<Option<u8>, u8> = [(None, 1)].into();
        assert!(serde_json::to_string(&wrong).is_err());
        assert_eq!(write(&wrong, LARGE).unwrap_err().code(), "internal");
        let deep = (0..300).fold(Nested { next: None }, |inner, _| Nested { next: Some(Box::new(inner)) });
        assert_eq!(write(&deep, LARGE).unwrap(), serde_json::to_vec(&deep).unwrap());
    }
}
