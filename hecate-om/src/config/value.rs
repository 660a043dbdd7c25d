//! A value as it was written somewhere, and where that was.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::mask::{MASK, may_be_secret};
use crate::telemetry::text::visible;

/// A file that was read.
pub(crate) struct FileText {
    pub(super) path: PathBuf,
    /// Whether the command line names it.
    pub(super) is_named: bool,
    pub(super) text: String,
}

/// The text may hold secrets.
impl fmt::Debug for FileText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl FileText {
    /// Line and column of a byte, from 1 on. Counted when somebody asks: few values are told with theirs.
    fn place(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        (1 + before.matches('\n').count(), 1 + before[line_start..].chars().count())
    }
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// Nobody wrote it.
    Default,
    /// A file, and the byte where it begins there.
    File { file: Arc<FileText>, offset: usize },
    /// A variable of the environment.
    Environment(String),
}

/// For whoever asks where a value comes from.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { file, offset } => {
                let flag = if file.is_named { "--config " } else { "" };
                write!(f, "{flag}{}:{}", file.path.display(), file.place(*offset).0)
            }
            Origin::Environment(variable) => write!(f, "environment {variable}"),
        }
    }
}

impl Origin {
    /// How an error names a value of this origin.
    pub(super) fn naming(&self, key: &str) -> String {
        match self {
            Origin::Default => key.to_owned(),
            Origin::File { file, offset } => {
                let (line, column) = file.place(*offset);
                format!("{}:{line}:{column}: {key}", file.path.display())
            }
            Origin::Environment(variable) => shown(variable),
        }
    }
}

/// A value as it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Text without a type of its own, to be read as whatever is wanted.
    Text(String),
    /// Bytes of the environment that are no text.
    NoText,
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table, where it stands, and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_origin: Origin,
    pub(super) node: Node,
}

impl Value {
    /// The text of a single value.
    pub(super) fn scalar(&self) -> Option<String> {
        match self {
            Value::Text(text) | Value::String(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Boolean(truth) => Some(truth.to_string()),
            Value::NoText | Value::List(_) | Value::Table(_) => None,
        }
    }

    /// What a report says of a value that does not fit; never that of a secret.
    pub(super) fn found(&self) -> String {
        match self {
            Value::NoText => "holds bytes that are no UTF-8".to_owned(),
            Value::List(_) => "holds a list".to_owned(),
            Value::Table(_) => "holds a table".to_owned(),
            Value::String(text) => format!("holds `{}`", shown(&format!("\"{}\"", without_password(text)))),
            other => {
                format!("holds `{}`", shown(&without_password(&other.scalar().unwrap_or_default())))
            }
        }
    }

    /// The value for a listing; what is inside a secret key is masked.
    pub(super) fn listed(&self, key: &str) -> String {
        if may_be_secret(key) {
            return MASK.to_owned();
        }
        match self {
            Value::List(nodes) => {
                let listed: Vec<_> = nodes.iter().map(|node| node.value.listed("")).collect();
                format!("[{}]", listed.join(", "))
            }
            Value::Table(entries) => {
                let listed = |entry: &Entry| format!("{} = {}", entry.key, entry.node.value.listed(&entry.key));
                format!("{{ {} }}", entries.iter().map(listed).collect::<Vec<_>>().join(", "))
            }
            Value::NoText => "bytes that are no UTF-8".to_owned(),
            other => match other.scalar().unwrap_or_default() {
                empty if empty.is_empty() => "\"\"".to_owned(),
                text => visible(&without_password(&text)),
            },
        }
    }
}

/// A text without the passwords of the addresses in it: `scheme://user:password@host`, or several.
pub(super) fn without_password(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, address)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        // Up to the next address of a list, the beginning of which is not part of this one.
        let end = address.find("://").and_then(|next| address[..next].rfind([',', ' '])).unwrap_or(address.len());
        let authority = address[..end].split('/').next().unwrap_or_default();
        rest = match authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) {
            Some((user, password)) => {
                shown.extend([user, ":", MASK]);
                &address[user.len() + 1 + password.len()..]
            }
            None => address,
        };
    }
    shown + rest
}

/// A value for a report: short, on one line, without control characters.
pub(super) fn shown(value: &str) -> String {
    let mut short = visible(&value.chars().take(80).collect::<String>());
    if value.chars().nth(80).is_some() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        assert_eq!(without_password("postgres://ada:hun@ter2@db/x?y"), "postgres://ada:***@db/x?y");
        assert_eq!(without_password("http://host:80/a@b"), "http://host:80/a@b");
        assert_eq!(without_password("plain"), "plain");
        let several = "amqp://a:one@h1/x, amqp://b:two@h2,http://h3,redis://:three@h4";
        let masked = "amqp://a:***@h1/x, amqp://b:***@h2,http://h3,redis://:***@h4";
        assert_eq!(without_password(several), masked, "a list in a variable");
        assert_eq!(without_password("x://a:o,n@e@h"), "x://a:***@h");
    }
}
