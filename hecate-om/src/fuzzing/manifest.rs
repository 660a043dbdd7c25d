//! A manifest, whoever wrote it.

use super::is_one_line;
use crate::manifest::{Manifest, ManifestErrors};

/// Reads a manifest: what is one is read again from what it prints, what is none is told by line and path.
pub(super) fn manifest(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (read, strict) = (Manifest::parse(text), Manifest::parse_strict(text));
    if let Ok(strict) = &strict {
        assert_eq!(read.as_ref(), Ok(strict), "what is taken strictly is taken");
    }
    match read {
        Ok(read) => {
            let printed = read.to_json();
            assert_eq!(Manifest::parse_strict(&printed).as_ref(), Ok(&read), "it reads what it prints");
            assert_eq!(serde_json::from_str::<Manifest>(&printed).unwrap(), read, "so does everybody else");
        }
        Err(errors) => are_told(&errors),
    }
    strict.err().iter().for_each(are_told);
}

fn are_told(errors: &ManifestErrors) {
    assert!(errors.iter().next().is_some(), "what is refused is refused for something");
    for error in errors.iter() {
        assert!(!error.problem().is_empty() && is_one_line(&error.to_string()), "{error:?}");
    }
}
