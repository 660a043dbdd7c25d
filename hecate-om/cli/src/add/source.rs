//! Where in a source file things stand, by its tokens: no text in a string or comment is taken for code.

use proc_macro2::{Delimiter, LineColumn, TokenStream, TokenTree};

/// Arguments of an attribute, and what they say.
type Pairs = Vec<(String, String)>;

/// What a source file has, in lines counted from 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The first line of the block with `#[hecate_service]`, doc comments and attributes included.
    pub(super) block: usize,
    /// The line of its closing brace.
    pub(super) block_end: usize,
    /// The type of the block, as written.
    pub(super) type_name: String,
    /// What the attribute says between its parentheses.
    pub(super) arguments: Pairs,
    /// The functions of the block.
    pub(super) functions: Vec<String>,
    /// What `name = ..` and `version = ..` of its capabilities say: the method, and these.
    pub(super) capabilities: Vec<(String, Pairs)>,
    /// The types that the file defines or names in `use`, and all other words outside of the block.
    pub(super) words: Vec<String>,
    /// The line of the closing brace of `mod tests`.
    pub(super) tests_end: Option<usize>,
}

/// Reads a file: none where it has no block of a service.
///
/// # Errors
/// It is no Rust, and where.
pub(super) fn read(text: &str) -> Result<Option<Found>, String> {
    let tokens: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| {
        let LineColumn { line, column } = error.span().start();
        format!("line {line}, column {}: {error}", column + 1)
    })?;
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let Some(at) = (0..tokens.len()).find(|at| attribute(&tokens[*at..], "hecate_service").is_some()) else {
        return Ok(None);
    };
    let arguments = attribute(&tokens[at..], "hecate_service").map(pairs).unwrap_or_default();
    let Some((end, block)) = tokens.iter().enumerate().skip(at).find_map(|(at, token)| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some((at, group)),
        _ => None,
    }) else {
        return Ok(None);
    };
    let head: Vec<_> = tokens[at..end].iter().map(ToString::to_string).collect();
    let type_name = match head.iter().position(|word| word == "impl") {
        Some(at) => head[at + 1..].concat(),
        None => return Ok(None),
    };
    let mut first = at;
    // Attributes before it, doc comments among them: `#` and a group each.
    while first >= 2 && is_punct(&tokens[first - 2], '#') && matches!(&tokens[first - 1], TokenTree::Group(_)) {
        first -= 2;
    }
    let (functions, capabilities) = inside(block.stream());
    let mut words = Vec::new();
    collect(tokens.iter().take(at).cloned().collect(), &mut words);
    collect(tokens.iter().skip(end + 1).cloned().collect(), &mut words);
    Ok(Some(Found {
        block: line(tokens[first].span().start()),
        block_end: line(block.span_close().start()),
        type_name,
        arguments,
        functions,
        capabilities,
        words,
        tests_end: tests(&tokens[end..]),
    }))
}

fn line(place: LineColumn) -> usize {
    place.line.saturating_sub(1)
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

/// What stands in the parentheses of `#[name(..)]`, with any path before the name, where `tokens` begin with it.
fn attribute(tokens: &[TokenTree], name: &str) -> Option<TokenStream> {
    let [hash, TokenTree::Group(group), ..] = tokens else { return None };
    if !is_punct(hash, '#') || group.delimiter() != Delimiter::Bracket {
        return None;
    }
    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
    let path = inner.iter().take_while(|token| !matches!(token, TokenTree::Group(_))).collect::<Vec<_>>();
    path.last().filter(|last| is_ident(last, name))?;
    match inner.get(path.len()) {
        Some(TokenTree::Group(group)) => Some(group.stream()),
        _ => Some(TokenStream::new()),
    }
}

/// `key = literal` of a list of arguments; texts without their quotes.
fn pairs(arguments: TokenStream) -> Pairs {
    let tokens: Vec<TokenTree> = arguments.into_iter().collect();
    let pair = |window: &[TokenTree]| match window {
        [TokenTree::Ident(key), equals, TokenTree::Literal(value)] if is_punct(equals, '=') => {
            Some((key.to_string(), value.to_string().trim_matches('"').to_owned()))
        }
        _ => None,
    };
    tokens.windows(3).filter_map(pair).collect()
}

/// The functions of a block, and those that are capabilities.
fn inside(block: TokenStream) -> (Vec<String>, Vec<(String, Pairs)>) {
    let tokens: Vec<TokenTree> = block.into_iter().collect();
    let (mut functions, mut capabilities, mut pending) = (Vec::new(), Vec::new(), None);
    for at in 0..tokens.len() {
        if let Some(arguments) = attribute(&tokens[at..], "capability") {
            pending = Some(pairs(arguments));
        }
        if let (true, Some(TokenTree::Ident(name))) = (is_ident(&tokens[at], "fn"), tokens.get(at + 1)) {
            functions.push(name.to_string());
            if let Some(arguments) = pending.take() {
                capabilities.push((name.to_string(), arguments));
            }
        }
    }
    (functions, capabilities)
}

fn collect(tokens: TokenStream, words: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => words.push(ident.to_string()),
            TokenTree::Group(group) => collect(group.stream(), words),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

fn tests(tokens: &[TokenTree]) -> Option<usize> {
    tokens.windows(3).find_map(|window| match window {
        [module, name, TokenTree::Group(group)] if is_ident(module, "mod") && is_ident(name, "tests") => {
            Some(line(group.span_close().start()))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = r##"//! A service.
// #[hecate_service(name = "not")] impl Not { }
const TEXT: &str = r#"#[hecate_service(name = "nor")] impl Nor { }"#;

/// Its doc.
#[hecate_om::hecate_service(name = "hecate-weather", scope = "sky")]
#[allow(dead_code)]
impl Weather {
    /// One.
    #[capability(name = "sky.one", version = 2)]
    pub async fn one(&self) -> Result<()> { Ok(()) }

    fn helper(&self) { let _ = '}'; }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a() {}
}
"##;

    #[test]
    fn the_block_is_found_by_its_tokens() {
        let found = read(SERVICE).unwrap().unwrap();
        assert_eq!((found.block, found.block_end, found.tests_end), (4, 13, Some(19)));
        assert_eq!(found.type_name, "Weather");
        assert_eq!(found.functions, ["one", "helper"]);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(found.arguments, [pair("name", "hecate-weather"), pair("scope", "sky")]);
        assert_eq!(found.capabilities, [("one".to_owned(), vec![pair("name", "sky.one"), pair("version", "2")])]);
    }

    #[test]
    fn a_file_without_a_service_has_none_and_one_that_is_no_rust_says_where() {
        assert_eq!(read("fn main() {}\n").unwrap(), None);
        assert_eq!(read("#[hecate_service(name = \"x\")]\nstruct X;\n").unwrap(), None);
        let told = read("fn main() {\n  let x = (;\n").unwrap_err();
        assert!(told.starts_with("line "), "{told}");
    }
}
