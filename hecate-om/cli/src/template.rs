//! The templates of `templates/`, compiled in.
//!
//! They print nothing that did not say how it is quoted: a text that comes out of no filter is an error, and so is
//! a variable that nobody gave. Their delimiters are `<@ @>`, `<% %>` and `<# #>`, which none of the rendered formats
//! uses: what looks like a template in there (`${{ }}`, `{{ }}`) goes through as it is.

mod quote;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, escape_formatter};
use serde::Serialize;

use crate::failure::{Failure, SOFTWARE};

pub(crate) use quote::{invisible, shell};

/// A template: what it is called in messages, and its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Template {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
}

/// A template of `templates/`.
macro_rules! template {
    ($path:literal) => {
        $crate::template::Template { name: $path, source: include_str!(concat!("../templates/", $path, ".jinja")) }
    };
}
pub(crate) use template;

impl Template {
    /// The text with `values` in it.
    ///
    /// # Errors
    /// A value that this format cannot hold; a mistake in the template itself.
    pub(crate) fn render(&self, values: &impl Serialize) -> Result<String, Failure> {
        let told = |error: Error| {
            let mut what = format!("{} cannot be rendered: {error}", self.name);
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                what.push_str(&format!(": {error}"));
                cause = error.source();
            }
            Failure::new(SOFTWARE, what)
        };
        environment().map_err(told)?.render_named_str(self.name, self.source, Value::from(Serde(values))).map_err(told)
    }
}

fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .block_delimiters("<%", "%>")
        .variable_delimiters("<@", "@>")
        .comment_delimiters("<#", "#>")
        .keep_trailing_newline(true)
        // A tag on a line of its own leaves no line.
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(|output, state, value| {
        if value.as_str().is_some() && !value.is_safe() {
            return Err(Error::new(ErrorKind::BadEscape, "a text that no filter quoted"));
        }
        escape_formatter(output, state, value)
    });
    for (name, quote) in quote::ALL {
        environment.add_filter(*name, move |value: String| match quote(&value) {
            Ok(quoted) => Ok(Value::from_safe_string(quoted)),
            Err(why) => Err(Error::new(ErrorKind::InvalidOperation, format!("`{}` {why}", value.escape_debug()))),
        });
    }
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(source: &'static str) -> Result<String, String> {
        let template = Template { name: "test", source };
        let values = json!({"name": "it's", "port": 8470, "known": {}});
        template.render(&values).map_err(|failure| failure.told(false))
    }

    #[test]
    fn a_variable_that_nobody_gave_is_an_error() {
        for source in ["<@ nmae | shell @>", "<@ nmae @>", "<@ known.name | toml @>", "<% if nmae %>x<% endif %>"] {
            let error = render(source).unwrap_err();
            assert!(error.contains("undefined"), "{source}: {error}");
        }
    }

    #[test]
    fn a_text_that_is_not_quoted_is_an_error() {
        for source in ["<@ name @>", "<@ name | upper @>", "<@ name ~ 'x' @>"] {
            let error = render(source).unwrap_err();
            assert!(error.contains("no filter quoted"), "{source}: {error}");
        }
        assert_eq!(render("<@ name | shell @>:<@ port @>").unwrap(), r"'it'\''s':8470");
    }

    #[test]
    fn what_a_format_cannot_hold_is_an_error_that_names_it() {
        let error = render("<@ name | bare @>").unwrap_err();
        assert!(error.contains("test cannot be rendered") && error.contains("`it\\'s` holds `\\'`"), "{error}");
    }

    #[test]
    fn other_templates_go_through() {
        let text = "${{ github.ref }} {{ x }} {% y %} $(id) %i\n";
        assert_eq!(render(text).unwrap(), text);
    }
}
