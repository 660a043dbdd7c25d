//! Just enough JSON to write a manifest as `serde_json::to_string_pretty` would, which a test holds.

use std::fmt::Write;

/// A JSON value; an object keeps the order in which its members were added.
pub(crate) enum Json {
    Boolean(bool),
    Number(u64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Json::Number(number)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::Text(text.to_owned())
    }
}

impl From<&[String]> for Json {
    fn from(texts: &[String]) -> Self {
        Json::List(texts.iter().map(|text| Json::Text(text.clone())).collect())
    }
}

impl Json {
    /// The value, indented by two spaces.
    pub(crate) fn pretty(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out
    }

    fn write(&self, out: &mut String, depth: usize) {
        match self {
            Json::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(number) => out.push_str(&number.to_string()),
            Json::Text(text) => write_text(out, text),
            Json::List(items) if items.is_empty() => out.push_str("[]"),
            Json::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    new_line(out, depth + 1, index > 0);
                    item.write(out, depth + 1);
                }
                new_line(out, depth, false);
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    new_line(out, depth + 1, index > 0);
                    write_text(out, name);
                    out.push_str(": ");
                    value.write(out, depth + 1);
                }
                new_line(out, depth, false);
                out.push('}');
            }
        }
    }
}

fn new_line(out: &mut String, depth: usize, comma: bool) {
    out.push_str(if comma { ",\n" } else { "\n" });
    out.extend(std::iter::repeat_n("  ", depth));
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            // Writing to a string cannot fail.
            c if c < ' ' => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_writes_what_serde_json_writes() {
        let text: String = (0u8..=127).map(char::from).chain("ä€😀\u{202e}\u{7f}".chars()).collect();
        let value = Json::Object(vec![
            ("text", text.as_str().into()),
            ("none", Json::List(Vec::new())),
            (
                "two",
                Json::List(vec![
                    1.into(),
                    Json::Object(vec![("x", u64::MAX.into()), ("y", Json::Boolean(true)), ("z", Json::Boolean(false))]),
                ]),
            ),
        ]);
        let theirs: serde_json::Value = serde_json::from_str(&value.pretty()).unwrap();
        assert_eq!(theirs["text"], text);
        // serde_json sorts members here, so compare a value whose members are in order.
        assert_eq!(serde_json::to_string_pretty(&theirs["text"]).unwrap(), Json::from(text.as_str()).pretty());
        assert_eq!(
            serde_json::to_string_pretty(&theirs["two"]).unwrap(),
            "[\n  1,\n  {\n    \"x\": 18446744073709551615,\n    \"y\": true,\n    \"z\": false\n  }\n]"
        );
        assert!(
            value.pretty().ends_with(
                "\"none\": [],\n  \"two\": [\n    1,\n    {\n      \"x\": 18446744073709551615,\n      \"y\": true,\n      \"z\": false\n    }\n  ]\n}"
            )
        );
    }
}
