//! References to capabilities of any service, and the actions of an identity that name them.

use std::fmt;

use crate::names::{is_dotted, is_snake, nearest, snake_like};

/// The longest name of a capability, in bytes: a procedure on the mesh has 512, and carries org and version as well.
pub(crate) const MAX_NAME: usize = 128;

/// The longest name of an org, in bytes.
const MAX_ORG: usize = 64;

/// The longest topic or resource, in bytes.
const MAX_TEXT: usize = 256;

/// The verbs of actions.
const VERBS: [&str; 4] = ["answer", "call", "publish", "subscribe"];

/// A capability of any service, `[<org>/]<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    org: Option<String>,
    name: String,
}

impl Reference {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (org, name) = match text.split_once('/') {
            Some((org, name)) => (Some(org), name),
            None => (None, text),
        };
        let is_good = org.is_none_or(is_org) && is_dotted(name) && name.len() <= MAX_NAME;
        is_good.then(|| Self { org: org.map(str::to_owned), name: name.to_owned() })
    }

    /// The reference that was probably meant.
    pub(crate) fn like(text: &str) -> String {
        let text = text.split('@').next().unwrap_or_default();
        let (org, name) = match text.split_once('/') {
            Some((org, name)) => (org.to_ascii_lowercase(), name),
            None => (String::new(), text),
        };
        let parts = name.split(['.', '/', ':', ' ']).filter(|part| !part.is_empty());
        let parts: Vec<_> = parts.map(|part| snake_like(part, "query")).collect();
        let name = match parts.as_slice() {
            [] => "rag.query".to_owned(),
            [only] if is_snake(&org) && !name.contains('-') => return format!("{org}.{only}"),
            [only] if name.contains('-') => only.replacen('_', ".", 1),
            [only] => format!("{only}.query"),
            many => many.join("."),
        };
        if is_org(&org) { format!("{org}/{name}") } else { name }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.org {
            Some(org) => write!(f, "{org}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

fn is_org(org: &str) -> bool {
    let lower_or_digit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    org.len() <= MAX_ORG
        && org.starts_with(lower_or_digit)
        && org.chars().all(|c| lower_or_digit(c) || "._-".contains(c))
}

/// Whether a text can name a topic, or a resource: something, without blanks.
pub(crate) fn is_plain(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

/// What is wrong with an action, and what was probably meant.
pub(crate) struct WrongAction {
    pub(crate) what: String,
    pub(crate) help: String,
}

/// Checks `answer:<name>@<v>`, `call:[<org>/]<name>@<v>`, `publish:<topic>` or `subscribe:<topic>`.
pub(crate) fn check_action(action: &str) -> Result<(), WrongAction> {
    let wrong = |what: &str, help: String| Err(WrongAction { what: format!("action `{action}` {what}"), help });
    let Some((verb, object)) = action.split_once(':') else {
        return wrong("does not say what is done to what", "write `\"answer:greeter.greet@1\"`".to_owned());
    };
    match verb {
        "answer" | "call" => {
            let (reference, version) = object.rsplit_once('@').unwrap_or((object, ""));
            let is_version = version.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == version);
            let is_own = |reference: &Reference| verb == "call" || reference.org.is_none();
            if is_version && Reference::parse(reference).as_ref().is_some_and(is_own) {
                return Ok(());
            }
            let like = Reference::like(reference);
            let like = if verb == "answer" { like.rsplit('/').next().unwrap_or(&like).to_owned() } else { like };
            let version = if is_version { version } else { "1" };
            let form = if verb == "answer" { "answer:<name>@<version>" } else { "call:[<org>/]<name>@<version>" };
            wrong(&format!("is not `{form}`"), format!("write `\"{verb}:{like}@{version}\"`"))
        }
        "publish" | "subscribe" if is_plain(object) => Ok(()),
        "publish" | "subscribe" => wrong(
            &format!("is not `{verb}:<topic>`: at most {MAX_TEXT} ASCII characters, no blanks"),
            format!("write `\"{verb}:greetings\"`"),
        ),
        _ => {
            let known = "an action is to `answer`, `call`, `publish` or `subscribe`";
            let help = match nearest(verb, &VERBS) {
                Some(near) => format!("did you mean `\"{near}:{object}\"`? {known}"),
                None => known.to_owned(),
            };
            wrong(&format!("has the unknown verb `{verb}`"), help)
        }
    }
}

/// Whether a text is a word by which nobody could name a capability, but a type.
pub(crate) fn looks_like_a_type(text: &str) -> bool {
    syn::parse_str::<syn::Path>(text).is_ok() && !is_snake(text) && !text.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_a_name_and_may_have_an_org() {
        for good in ["rag.query", "acme/rag.query", "hecate-rag/rag.query.deep_1", "0x.y/a.b"] {
            assert_eq!(Reference::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "rag", "/rag.query", "acme/", "acme/rag", "a/b/c.d", "Acme/rag.query", "rag.query@1", "~ab/c.d"]
        {
            assert_eq!(Reference::parse(bad), None, "{bad}");
            assert!(Reference::parse(&Reference::like(bad)).is_some(), "{bad}");
        }
    }

    #[test]
    fn an_action_has_a_verb_and_an_object() {
        for good in
            ["answer:rag.query@1", "call:rag.query@65535", "call:acme/rag.query@2", "publish:books/lent", "subscribe:x"]
        {
            assert!(check_action(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "answer",
            "answer:",
            "answer:rag@1",
            "answer:acme/rag.query@1",
            "answer:rag.query",
            "answer:rag.query@0",
            "call:rag.query@01",
            "call:rag.query@65536",
            "publish:",
            "publish:two words",
            "ask:rag.query@1",
            "call :a.b@1",
        ] {
            let wrong = check_action(bad).err().unwrap();
            // Whatever is suggested is an action.
            if let Some((_, rest)) = wrong.help.split_once("`\"")
                && !wrong.help.starts_with("did you mean")
            {
                let suggested = rest.split('"').next().unwrap();
                assert!(check_action(suggested).is_ok(), "{bad}: {}", wrong.help);
            }
        }
    }
}
