//! TOML files. Only regular ones are read, and only so much of them; whatever is wrong with one is
//! told with its line and column.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::report::Report;
use super::value::{Entry, FileText, Node, Origin, Value};
use crate::exit;

/// The longest file that is read, in bytes.
pub(crate) const LONGEST: u64 = 1 << 20;

/// A FIFO without a writer must not hold up a boot.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// The entries of a file; none when it is not there and need not be, or when something is wrong with it.
pub(super) fn read(path: &Path, is_named: bool, report: &mut Report) -> Vec<Entry> {
    let place = path.display().to_string();
    let text = match text_of(path) {
        Ok(text) => text,
        Err(Unreadable::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            if is_named {
                report.problem_of(exit::NO_INPUT, place, "is not there", "make it, or correct `--config`");
            }
            return Vec::new();
        }
        Err(Unreadable::Io(error)) => {
            let (code, help) = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    (exit::PERMISSION, format!("let user {} read it", rustix::process::geteuid().as_raw()))
                }
                _ => (exit::IO, "make it a file that can be read, or remove it".to_owned()),
            };
            report.problem_of(code, place, format!("cannot be read: {error}"), help);
            return Vec::new();
        }
        Err(Unreadable::Unfit(what, help)) => {
            report.problem(place, what, help);
            return Vec::new();
        }
    };
    let file = File(Arc::new(FileText { path: path.to_owned(), is_named, text }));
    let (table, errors) = DeTable::parse_recoverable(&file.0.text);
    // What a parser says after its first error is often an echo of that.
    match errors.first() {
        Some(error) => {
            let place = file.origin(error.span().map_or(0, |span| span.start)).naming("");
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            report.problem(place.trim_end(), format!("is no TOML: {message}"), "correct it there");
            Vec::new()
        }
        None => file.entries(table.get_ref()),
    }
}

/// Why a file is not read.
enum Unreadable {
    Io(io::Error),
    Unfit(String, &'static str),
}

fn text_of(path: &Path) -> Result<String, Unreadable> {
    let file = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path).map_err(Unreadable::Io)?;
    let kind = file.metadata().map_err(Unreadable::Io)?.file_type();
    if !kind.is_file() {
        let what = if kind.is_dir() { "is a folder" } else { "is no regular file" };
        return Err(Unreadable::Unfit(what.to_owned(), "give the path of a TOML file"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(Unreadable::Io)?;
    if bytes.len() as u64 > LONGEST {
        return Err(Unreadable::Unfit(format!("is longer than {LONGEST} bytes"), "is it the right file?"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line =
            1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        Unreadable::Unfit(format!("is no UTF-8 in line {line}"), "save it as UTF-8")
    })
}

struct File(Arc<FileText>);

impl File {
    fn origin(&self, offset: usize) -> Origin {
        Origin::File { file: Arc::clone(&self.0), offset }
    }

    /// In the order of the file.
    fn entries(&self, table: &DeTable<'_>) -> Vec<Entry> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
            let key_text: &std::borrow::Cow<'_, str> = key.get_ref();
            Entry {
                key: key_text.to_string(),
                key_origin: self.origin(key.span().start),
                node: self.node(value.get_ref(), value.span().start),
            }
        };
        entries.into_iter().map(entry).collect()
    }

    fn node(&self, value: &DeValue<'_>, start: usize) -> Node {
        let value = match value {
            DeValue::String(text) => Value::String(text.to_string()),
            // One that is too large is no number for anybody who wants one.
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Value::Text(number.to_string()), Value::Integer),
            DeValue::Float(number) => {
                number.as_str().parse().map_or_else(|_| Value::Text(number.to_string()), Value::Float)
            }
            DeValue::Boolean(truth) => Value::Boolean(*truth),
            DeValue::Datetime(time) => Value::String(time.to_string()),
            DeValue::Array(values) => {
                Value::List(values.iter().map(|value| self.node(value.get_ref(), value.span().start)).collect())
            }
            DeValue::Table(table) => Value::Table(self.entries(table)),
        };
        Node { value, origin: self.origin(start) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.toml");
        std::fs::write(&path, text).unwrap();
        let mut report = Report::new(false);
        read(&path, true, &mut report);
        let told = report.finish(Some(())).map_or_else(|error| error.to_string(), |(_, warnings)| warnings.concat());
        told.replace(&path.display().to_string(), "x.toml")
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_place() {
        for (text, expected) in [
            (&b"log = \"info\"\nlog = \"warn\"\n"[..], "x.toml:2:1: is no TOML: duplicate key"),
            (b"log = info", "x.toml:1:7: is no TOML: "),
            ("# \u{e9}\u{e9}\na = \"\u{e9}\" b".as_bytes(), "x.toml:2:9: is no TOML: "),
            (b"log = \"", "x.toml:1:"),
            (b"\xff", "x.toml is no UTF-8 in line 1"),
            (b"\n\n\xff", "x.toml is no UTF-8 in line 3"),
        ] {
            let told = told(text);
            assert!(told.contains(expected) && told.contains("has 1 problem:"), "{expected}: {told}");
        }
        assert_eq!(told("\u{feff}log = \"info\"".as_bytes()), "", "a byte order mark is nothing");
        assert!(told(&vec![b'#'; 1 << 20]).is_empty());
        assert!(told(&vec![b'#'; (1 << 20) + 1]).contains("is longer than 1048576 bytes"));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        for path in ["/dev/zero", "/dev/null", "/tmp"] {
            let mut report = Report::new(false);
            read(Path::new(path), true, &mut report);
            let error = report.finish(Some(())).unwrap_err();
            assert!(error.to_string().contains("give the path of a TOML file"), "{error}");
        }
    }

    #[test]
    fn a_file_full_of_values_is_read_as_any_other() {
        let many = format!("a = [{}]", "1,".repeat(1 << 18));
        assert_eq!(told(many.as_bytes()), "");
        let deep = format!("a = {}", "[".repeat(1 << 18));
        assert!(told(deep.as_bytes()).contains("is no TOML"));
    }

    #[test]
    fn numbers_of_every_spelling_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.toml");
        std::fs::write(&path, "a = 0x1F\nb = 1_000\nc = 99999999999999999999\nd = 1e3\ne = +5").unwrap();
        let entries = read(&path, false, &mut Report::new(false));
        let listed: Vec<_> = entries.iter().map(|entry| entry.node.value.listed(&entry.key)).collect();
        assert_eq!(listed, ["31", "1000", "99999999999999999999", "1000", "5"]);
    }
}
