//! Whether a call is sealed, so that no station on its way can read it: `confidential = off`, `preferred` or `required`.

use syn::{Expr, ExprLit, Lit};

use super::types::spelled;
use crate::arguments::{Word, ungrouped};
use crate::diagnostics::{Diagnostics, Rule};
use crate::model::Confidential;
use crate::names::nearest;

const WORDS: [(&str, Confidential); 3] =
    [("off", Confidential::Off), ("preferred", Confidential::Preferred), ("required", Confidential::Required)];

/// Reads how confidential calls are.
pub(super) fn read(word: Option<&Word>, diagnostics: &mut Diagnostics) -> Option<Confidential> {
    let Some(Word(written)) = word else { return Some(Confidential::Preferred) };
    let (text, is_word) = match ungrouped(written) {
        Expr::Path(path) => (spelled(path), true),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => (text.value(), false),
        other => (spelled(other), false),
    };
    let known = WORDS.iter().find(|(word, _)| *word == text);
    if let Some((_, confidential)) = known.filter(|_| is_word) {
        return Some(*confidential);
    }
    let what = format!("`confidential` is `off`, `preferred` or `required`, found `{}`", spelled(written));
    let help = match (known, like(&text)) {
        (Some((word, _)), _) => format!("write `confidential = {word}`, a word by itself"),
        (None, Some(near)) => format!("did you mean `confidential = {near}`?"),
        (None, None) => {
            "write `confidential = required` to refuse calls that are not sealed, or leave it out".to_owned()
        }
    };
    diagnostics.error(Rule::ConfidentialWord, written, what, help);
    None
}

/// The word that was probably meant.
fn like(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "always" | "must" => Some("required"),
        "false" | "no" | "none" | "never" => Some("off"),
        text => nearest(text, &WORDS.map(|(word, _)| word)),
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::parse_quote;

    use super::*;

    #[test]
    fn it_is_one_of_three_words() {
        let read = |written: Expr| read(Some(&Word(written)), &mut Diagnostics::default());
        assert_eq!(read(parse_quote!(off)), Some(Confidential::Off));
        assert_eq!(read(parse_quote!(preferred)), Some(Confidential::Preferred));
        assert_eq!(read(parse_quote!(required)), Some(Confidential::Required));
        for wrong in [quote!("required"), quote!(true), quote!(Confidential::Required), quote!(1), quote!(required())] {
            assert_eq!(read(parse_quote!(#wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_said_is_preferred() {
        assert_eq!(read(None, &mut Diagnostics::default()), Some(Confidential::Preferred));
    }
}
