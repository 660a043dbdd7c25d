//! Every filter against the real reader of its format, with what people write and what attackers do.

use std::process::Command;

use super::*;

const ATTACKS: &[&str] = &[
    "Forecasts over the mesh",
    "it's \"quoted\" and `ticked`",
    "'",
    "\"",
    "\\",
    "\\\\",
    "\\n",
    "\\\"",
    "'''",
    "\"\"\"",
    "\\x41\\u0041",
    "%i",
    "%%",
    "100 %",
    "%n%H\\",
    "$(id)",
    "`id`",
    "$HOME",
    "${HOME}",
    "$$",
    "${X:?}",
    "!!",
    "{{ name }}",
    "{% x %}",
    "{# #}",
    "${{ secrets.TOKEN }}",
    "<@ name @>",
    "<% if x %>",
    "<# #>",
    "line\nbreak",
    "carriage\r\nreturn",
    "\n",
    "\ttab",
    "end\\\nnext",
    "a\n[Service]\nExecStart=/bin/sh",
    "\u{202e}desrever",
    "\u{2066}isolate\u{2069}",
    "\u{200b}",
    "\u{feff}bom",
    "\u{2028}",
    "\u{85}",
    "\u{7f}",
    "\u{1b}[31m",
    "é ü 漢字 🦀 \u{301}",
    "\u{10ffff}",
    "\u{fffe}",
    "\u{e000}",
    "\u{e0041}",
    "# no comment",
    "; none",
    "- item",
    "key: value",
    "? x",
    "| x",
    "> x",
    "& a",
    "* a",
    "!tag",
    "@at",
    "~",
    "null",
    "yes",
    "1.0",
    "0x10",
    "",
    " leading",
    "trailing ",
    "  ",
    "= x",
    "[table]",
    "{a: b}",
    "<!-- x -->",
    "---",
    "...",
    "%YAML 1.2",
    "--help",
    "-rf /",
    "a;b|c&d>e<f",
    "*",
    "?",
    "~root",
    "[a-z]",
    "1. list",
    "1) list",
    "# heading",
    "=====",
    "http://example.com",
    "<b>bold</b>",
    "[link](http://x)",
    "![i](x)",
    "*a* _b_ ~~c~~",
    "| a | b |",
    "&amp;",
    "a  b",
    ":---",
    "$x^2$",
];

/// xorshift64*: the same texts on every box, from the seed that a failure tells.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % most
    }

    /// A few pieces of the attacks, and characters of anywhere.
    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..=self.below(6) {
            match self.below(3) {
                0 => text.push_str(ATTACKS[self.below(ATTACKS.len())]),
                1 => text.push(char::from(self.below(128) as u8)),
                _ => text.extend(char::from_u32(self.below(0x11_0000) as u32)),
            }
        }
        text
    }
}

/// Checks that `read` reads what `quote` writes, for whatever `quote` does not refuse; gives how many it took.
fn check(name: &str, texts: usize, read: impl Fn(&str) -> String) -> usize {
    let (_, quote) = ALL.iter().find(|(found, _)| *found == name).unwrap();
    let mut chance = Chance(20_261_121);
    let random = (0..texts).map(|_| chance.text());
    let mut taken = 0;
    for text in ATTACKS.iter().map(|text| (*text).to_owned()).chain(random) {
        if let Ok(quoted) = quote(&text) {
            assert_eq!(read(&quoted), text, "{name} wrote {quoted:?}");
            taken += 1;
        }
    }
    taken
}

#[test]
fn toml_is_read_back() {
    let read = |quoted: &str| {
        let table: toml::Table = format!("before = 1\nvalue = {quoted}\nafter = 2\n").parse().unwrap();
        assert_eq!(table.len(), 3);
        table["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(check("toml", 2000, read), 2000 + ATTACKS.len());
}

#[test]
fn json_is_read_back() {
    let read = |quoted: &str| serde_json::from_str::<String>(quoted).unwrap();
    assert_eq!(check("json", 2000, read), 2000 + ATTACKS.len());
}

fn read_yaml(quoted: &str) -> String {
    use yaml_rust2::YamlLoader;
    // In a block, behind a key, and in a flow.
    for document in [format!("a: 1\nvalue: {quoted}\nb: 2\n"), format!("{{a: 1, value: {quoted}, b: 2}}\n")] {
        let read = YamlLoader::load_from_str(&document).unwrap_or_else(|error| panic!("{document:?}: {error}"));
        assert_eq!((read.len(), read[0]["b"].as_i64()), (1, Some(2)));
        if document.starts_with('{') {
            return read[0]["value"].as_str().unwrap().to_owned();
        }
    }
    unreachable!("the second one returns")
}

#[test]
fn yaml_is_read_back() {
    assert_eq!(check("yaml", 2000, read_yaml), 2000 + ATTACKS.len());
}

/// As compose does it: `$$` is a `$`, and a `$` of its own would be a variable.
#[test]
fn compose_finds_no_variable() {
    let read = |quoted: &str| {
        let text = read_yaml(quoted);
        assert!(!text.replace("$$", "").contains('$'), "{text:?}");
        text.replace("$$", "$")
    };
    assert_eq!(check("compose", 2000, read), 2000 + ATTACKS.len());
}

#[test]
fn a_rust_literal_is_read_back() {
    let read = |quoted: &str| syn::parse_str::<syn::LitStr>(quoted).unwrap().value();
    assert_eq!(check("rust", 2000, read), 2000 + ATTACKS.len());
}

#[test]
fn a_shell_reads_one_word() {
    // One process for all of them: `printf '%s\0' WORD..`.
    let (_, quote) = ALL.iter().find(|(name, _)| *name == "shell").unwrap();
    let mut chance = Chance(20_261_121);
    let texts: Vec<_> = ATTACKS.iter().map(|text| (*text).to_owned()).chain((0..300).map(|_| chance.text())).collect();
    let (words, texts): (Vec<_>, Vec<_>) =
        texts.into_iter().filter_map(|text| Some((quote(&text).ok()?, text))).unzip();
    assert!(texts.len() > ATTACKS.len());
    let script = format!("printf '%s\\0' {}", words.join(" "));
    let printed = Command::new("sh").arg("-c").arg(script).output().unwrap().stdout;
    let printed = String::from_utf8(printed).unwrap();
    let read: Vec<_> = printed.split_terminator('\0').collect();
    assert_eq!(read, texts);
}

/// What `systemd.syntax(7)` and `systemd.unit(5)` say of a value, in few words; the unit itself is read by systemd in
/// `.ci/scaffold`.
fn read_unit_lines(document: &str, key: &str) -> String {
    let mut values = Vec::new();
    let mut whole = String::new();
    for line in document.split(['\n', '\r']) {
        if whole.is_empty() && line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        whole.push_str(line);
        if whole.ends_with('\\') {
            whole.pop();
            whole.push(' ');
            continue;
        }
        if let Some((found, value)) = whole.split_once('=')
            && found.trim() == key
        {
            values.push(value.trim_matches([' ', '\t']).to_owned());
        }
        whole.clear();
    }
    assert_eq!(values.len(), 1, "{document:?}");
    values.remove(0)
}

fn without_specifiers(value: &str) -> String {
    assert!(!value.replace("%%", "").contains('%'), "{value:?}");
    value.replace("%%", "%")
}

#[test]
fn a_unit_reads_the_whole_value() {
    let read = |value: &str| {
        let document = format!("[Unit]\nDescription={value}\nAfter=x\n");
        without_specifiers(&read_unit_lines(&document, "Description"))
    };
    let taken = check("unit", 2000, read);
    assert!(taken > 800, "{taken}");
}

#[test]
fn a_unit_reads_one_word() {
    let read = |word: &str| {
        let document = format!("[Container]\nEnvironment={word}\nUser=1\n");
        let value = without_specifiers(&read_unit_lines(&document, "Environment"));
        let inside = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
        let mut text = String::new();
        let mut rest = inside.chars();
        while let Some(character) = rest.next() {
            assert_ne!(character, '"', "{value:?} ends early");
            text.push(match character {
                '\\' => match rest.next().unwrap() {
                    'x' => {
                        let digits: String = rest.by_ref().take(2).collect();
                        char::from(u8::from_str_radix(&digits, 16).unwrap())
                    }
                    plain => plain,
                },
                plain => plain,
            });
        }
        text
    };
    let taken = check("unit_word", 2000, read);
    assert!(taken > 1600, "{taken}");
}

#[test]
fn markdown_shows_the_text_and_nothing_else() {
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
    let extensions = Options::all() - Options::ENABLE_SMART_PUNCTUATION;
    let read = |escaped: &str| {
        let mut shown = String::new();
        for event in Parser::new_ext(&format!("# Before\n\n{escaped}\n\nAfter"), extensions).skip(3) {
            match event {
                Event::Start(Tag::Paragraph) => {}
                Event::End(TagEnd::Paragraph) => break,
                Event::Text(text) => shown.push_str(&text),
                other => panic!("{escaped:?} became {other:?}"),
            }
        }
        shown
    };
    let taken = check("markdown", 2000, read);
    assert!(taken > 500, "{taken}");
}

#[test]
fn what_stands_bare_needs_no_quotes_anywhere() {
    let taken = check("bare", 2000, |bare| {
        assert_eq!(read_yaml(&format!("x{bare}x")), format!("x{bare}x"));
        bare.to_owned()
    });
    assert!(taken > 10, "{taken}");
    for image in ["ghcr.io/acme/hecate-weather:0.1.0", "/var/lib/hecate-weather", "1.95.0", "a@sha256:00"] {
        assert_eq!(bare(image).unwrap(), image);
    }
}

#[test]
fn what_cannot_be_seen_is_named() {
    for (text, what) in [
        ("a\u{202e}b", "direction"),
        ("a\nb", "control"),
        ("a\u{7f}", "control"),
        ("a\u{200b}b", "seen"),
        ("a\u{2028}b", "line break"),
        ("a\u{e0041}b", "seen"),
    ] {
        assert!(invisible(text).unwrap().1.contains(what), "{text:?}");
    }
    assert_eq!(invisible("é 漢字 🦀 👩\u{200d}🔬 \"'%$\\"), None);
}
