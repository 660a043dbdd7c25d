//! How a text is written in each format so that it is read back as it was.
//!
//! A filter that cannot promise that says so: a value that is changed in silence is found on a fleet.

use std::fmt::Write;

/// A filter, or what the text holds that the format cannot.
type Quote = fn(&str) -> Result<String, String>;

pub(super) const ALL: &[(&str, Quote)] = &[
    ("bare", bare),
    ("compose", compose),
    ("json", json),
    ("markdown", markdown),
    ("rust", rust),
    ("shell", shell),
    ("toml", toml),
    ("unit", unit),
    ("unit_word", unit_word),
    ("yaml", yaml),
];

/// The first character of a text that a reader cannot see, or that turns around what one sees, and what it is.
/// Joiners are none of them: there are languages that need them.
pub(crate) fn invisible(text: &str) -> Option<(char, &'static str)> {
    text.chars().find_map(|character| {
        let what = match character {
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                "changes the direction of what is read"
            }
            '\u{2028}' | '\u{2029}' => "is a line break to some and none to others",
            '\u{00ad}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' => "cannot be seen",
            _ if character.is_control() => "is a control character",
            _ => return None,
        };
        Some((character, what))
    })
}

/// What needs no quotes anywhere: names, versions, images, paths.
fn bare(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/:@+".contains(c);
    match text.chars().find(|c| !fits(*c)) {
        Some(other) => Err(format!("holds `{}`, which cannot stand here", other.escape_debug())),
        None if text.is_empty() => Err("is empty".to_owned()),
        None => Ok(text.to_owned()),
    }
}

/// A text in double quotes; `escaped` writes what cannot stand in them itself.
fn quoted(text: &str, escaped: impl Fn(char) -> Option<String>) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match escaped(character) {
            Some(escaped) => quoted.push_str(&escaped),
            None => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether a reader could take it for something else; some formats do not allow these unescaped either.
fn is_hidden(character: char) -> bool {
    invisible(character.encode_utf8(&mut [0; 4])).is_some()
}

fn is_noncharacter(character: char) -> bool {
    (u32::from(character) & 0xfffe) == 0xfffe
}

/// `\u0001` and `\U00010ffff` with so many digits as TOML and YAML want.
fn long_escape(character: char) -> String {
    match u32::from(character) {
        code @ 0..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

fn backslash_or_quote(character: char) -> Option<String> {
    matches!(character, '"' | '\\').then(|| format!("\\{character}"))
}

#[expect(clippy::unnecessary_wraps, reason = "a filter like the others")]
fn toml(text: &str) -> Result<String, String> {
    Ok(quoted(text, |c| backslash_or_quote(c).or_else(|| is_hidden(c).then(|| long_escape(c)))))
}

#[expect(clippy::unnecessary_wraps, reason = "a filter like the others")]
fn yaml(text: &str) -> Result<String, String> {
    let hidden = |c| is_hidden(c) || is_noncharacter(c);
    Ok(quoted(text, |c| backslash_or_quote(c).or_else(|| hidden(c).then(|| long_escape(c)))))
}

/// YAML in which compose looks for variables.
fn compose(text: &str) -> Result<String, String> {
    yaml(&text.replace('$', "$$"))
}

#[expect(clippy::unnecessary_wraps, reason = "a filter like the others")]
fn json(text: &str) -> Result<String, String> {
    let escape = |c: char| {
        c.encode_utf16(&mut [0; 2]).iter().fold(String::new(), |mut escaped, unit| {
            let _ = write!(escaped, "\\u{unit:04x}");
            escaped
        })
    };
    Ok(quoted(text, |c| backslash_or_quote(c).or_else(|| is_hidden(c).then(|| escape(c)))))
}

/// A string literal.
#[expect(clippy::unnecessary_wraps, reason = "a filter like the others")]
fn rust(text: &str) -> Result<String, String> {
    let escape = |c: char| format!("\\u{{{:x}}}", u32::from(c));
    Ok(quoted(text, |c| backslash_or_quote(c).or_else(|| is_hidden(c).then(|| escape(c)))))
}

/// One word of a POSIX shell.
pub(crate) fn shell(text: &str) -> Result<String, String> {
    refuse(text, |c| c == '\0', "which no argument can hold")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@+=,%".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') {
        return Ok(text.to_owned());
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// The whole value of a setting of a systemd unit that is read as it stands, such as `Description=`.
fn unit(text: &str) -> Result<String, String> {
    refuse(text, char::is_control, "which no line of a unit can hold")?;
    if text.trim_matches([' ', '\t']) != text {
        return Err("begins or ends with a blank, which systemd would cut off".to_owned());
    }
    if text.ends_with('\\') {
        return Err("ends with `\\`, which systemd would take for a line that goes on".to_owned());
    }
    Ok(text.replace('%', "%%"))
}

/// One word of a setting of a systemd unit that is read as a list of words, such as `Environment=`.
fn unit_word(text: &str) -> Result<String, String> {
    refuse(text, |c| c == '\0', "which no unit can hold")?;
    let escape = |c: char| match c {
        '%' => Some("%%".to_owned()),
        // `\x` is a byte, so what is longer than one stays as it is.
        c if c.is_ascii_control() => Some(format!("\\x{:02x}", u32::from(c))),
        c => backslash_or_quote(c),
    };
    Ok(quoted(text, escape))
}

/// A text in a paragraph.
fn markdown(text: &str) -> Result<String, String> {
    refuse(text, |c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), "which no paragraph can hold")?;
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.trim() != text {
        return Err("begins or ends with a blank, which no paragraph keeps".to_owned());
    }
    let mut escaped = String::with_capacity(text.len());
    let mut only_digits = true;
    for (at, character) in text.char_indices() {
        let begins_a_block = match character {
            '-' | '+' | '=' | ':' => at == 0,
            // An ordered list: `1.` or `1)`.
            '.' | ')' => at > 0 && only_digits,
            _ => false,
        };
        only_digits &= character.is_ascii_digit();
        if begins_a_block || "\\`*_[]<>&#|~$!".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    Ok(escaped)
}

fn refuse(text: &str, is_wrong: impl Fn(char) -> bool, why: &str) -> Result<(), String> {
    match text.chars().find(|c| is_wrong(*c)) {
        Some(wrong) => Err(format!("holds `{}`, {why}", wrong.escape_debug())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
