//! Reads JSON, with the place of what is wrong. Small, so that whoever uses the macros compiles no parser for it;
//! a test holds it to `serde_json`.

/// A value and where it begins.
#[derive(Debug)]
pub(crate) struct Node {
    at: usize,
    pub(crate) value: Value,
}

/// What of JSON a lock needs; numbers stay as they are written.
#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Boolean,
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// What is wrong, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    at: usize,
    what: String,
}

/// Values in values, as many as `serde_json` takes.
const DEEPEST: usize = 127;

impl Fault {
    /// With line and column, as editors count them.
    pub(crate) fn told(&self, text: &str) -> String {
        let before = text.get(..self.at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |start| start.chars().count()) + 1;
        format!("line {line}, column {column}: {}", self.what)
    }
}

impl Node {
    pub(crate) fn fault(&self, what: impl Into<String>) -> Fault {
        Fault { at: self.at, what: what.into() }
    }

    pub(crate) fn text(&self) -> Result<&str, Fault> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.fault("expected a text")),
        }
    }

    pub(crate) fn field(&self, name: &str) -> Result<&Node, Fault> {
        self.optional_field(name)?.ok_or_else(|| self.fault(format!("expected a field `{name}`")))
    }

    pub(crate) fn optional_field(&self, name: &str) -> Result<Option<&Node>, Fault> {
        match &self.value {
            Value::Object(fields) => Ok(fields.iter().find(|(field, _)| field == name).map(|(_, node)| node)),
            _ => Err(self.fault("expected an object")),
        }
    }
}

/// Reads one value that is the whole text.
pub(crate) fn json(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.skip_blanks();
    let node = reader.node()?;
    reader.skip_blanks();
    if reader.at < text.len() { Err(reader.fault("expected the end")) } else { Ok(node) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn fault(&self, what: impl Into<String>) -> Fault {
        Fault { at: self.at, what: what.into() }
    }

    fn rest(&self) -> &[u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn next(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
    }

    /// Passes over one byte and the blanks after it, if it is this one.
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.next() == Some(byte);
        if is_next {
            self.at += 1;
            self.skip_blanks();
        }
        is_next
    }

    fn node(&mut self) -> Result<Node, Fault> {
        let at = self.at;
        let value = match self.next() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::list)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            _ => self.word()?,
        };
        Ok(Node { at, value })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Fault>) -> Result<Value, Fault> {
        if self.depth == DEEPEST {
            return Err(self.fault("too deep"));
        }
        self.depth += 1;
        self.at += 1;
        self.skip_blanks();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, Fault> {
        let mut fields: Vec<(String, Node)> = Vec::new();
        while self.next() != Some(b'}') {
            let at = self.at;
            if self.next() != Some(b'"') {
                return Err(self.fault("expected a field or `}`"));
            }
            let name = self.string()?;
            // As a merge leaves it; the one that counts would be the one that nobody looks at.
            if fields.iter().any(|(other, _)| *other == name) {
                return Err(Fault { at, what: format!("{name:?} stands here a second time") });
            }
            self.skip_blanks();
            if !self.takes(b':') {
                return Err(self.fault("expected `:`"));
            }
            let node = self.node()?;
            fields.push((name, node));
            self.skip_blanks();
            if self.takes(b',') {
                if self.next() == Some(b'}') {
                    return Err(self.fault("expected a field after `,`"));
                }
            } else if self.next() != Some(b'}') {
                return Err(self.fault("expected `,` or `}`"));
            }
        }
        self.at += 1;
        Ok(Value::Object(fields))
    }

    fn list(&mut self) -> Result<Value, Fault> {
        let mut items = Vec::new();
        while self.next() != Some(b']') {
            items.push(self.node()?);
            self.skip_blanks();
            if self.takes(b',') {
                if self.next() == Some(b']') {
                    return Err(self.fault("expected a value after `,`"));
                }
            } else if self.next() != Some(b']') {
                return Err(self.fault("expected `,` or `]`"));
            }
        }
        self.at += 1;
        Ok(Value::List(items))
    }

    fn word(&mut self) -> Result<Value, Fault> {
        for (word, value) in [("null", Value::Null), ("true", Value::Boolean), ("false", Value::Boolean)] {
            if self.rest().starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.fault("expected a JSON value"))
    }

    fn number(&mut self) -> Result<String, Fault> {
        let start = self.at;
        let digits = |reader: &mut Self| {
            let count = reader.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
            reader.at += count;
            if count == 0 { Err(reader.fault("expected a digit")) } else { Ok(()) }
        };
        self.at += usize::from(self.next() == Some(b'-'));
        if self.next() == Some(b'0') {
            self.at += 1;
        } else {
            digits(self)?;
        }
        if self.next() == Some(b'.') {
            self.at += 1;
            digits(self)?;
        }
        if matches!(self.next(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.next(), Some(b'+' | b'-')));
            digits(self)?;
        }
        Ok(self.text[start..self.at].to_owned())
    }

    /// At a quote, to behind the other one.
    fn string(&mut self) -> Result<String, Fault> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let plain = self.rest().iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..=0x1f)).count();
            // Ends where ASCII stands, so between two characters.
            text.push_str(&self.text[self.at..self.at + plain]);
            self.at += plain;
            match self.next() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.fault("a control character in a text is written as `\\u` and four digits")),
                None => return Err(self.fault("expected `\"`")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let at = self.at;
        let letter = self.rest().get(1).copied();
        self.at += 2;
        Ok(match letter {
            Some(letter @ (b'"' | b'\\' | b'/')) => char::from(letter),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unpaired = Fault { at, what: "half a character".to_owned() };
                let mut units = vec![self.unit(at)?];
                if (0xd800..0xdc00).contains(&units[0]) && self.rest().starts_with(b"\\u") {
                    self.at += 2;
                    units.push(self.unit(at)?);
                }
                let mut decoded = char::decode_utf16(units);
                match (decoded.next(), decoded.next()) {
                    (Some(Ok(character)), None) => character,
                    _ => return Err(unpaired),
                }
            }
            _ => return Err(Fault { at, what: "unknown escape".to_owned() }),
        })
    }

    fn unit(&mut self, at: usize) -> Result<u16, Fault> {
        let digits = self.rest().get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let unit = digits.and_then(|digits| u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        self.at += 4;
        unit.ok_or(Fault { at, what: "expected four hexadecimal digits after `\\u`".to_owned() })
    }
}
