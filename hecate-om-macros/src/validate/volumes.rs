//! The folders that a deployment gives to a service: one with its secrets, one for what it keeps.
//!
//! Their paths go into units, compose files and image recipes, in each of which other characters mean
//! something. So a path has only those that mean nothing in any of them.

use crate::arguments::{self, Nested, Read, Text, VOLUME_KEYS, VolumeArguments};
use crate::diagnostics::{Diagnostics, Rule};
use crate::model::{DEFAULT_SECRETS, DEFAULT_STATE_IN, Volumes};

/// The longest path of a volume, in bytes: folders and files of the service lie below it.
const MAX_PATH: usize = 128;

/// Reads `volumes(...)`; what is not in it is as ever. `service` is missing where its name is wrong.
pub(super) fn read(nested: Option<&Nested>, service: Option<&str>, diagnostics: &mut Diagnostics) -> Option<Volumes> {
    let arguments: Read<VolumeArguments> = match nested {
        Some(Nested(tokens)) => arguments::read(tokens.clone(), &VOLUME_KEYS, diagnostics),
        None => Read::default(),
    };
    let default_state = format!("{DEFAULT_STATE_IN}/{}", service.unwrap_or("hecate-greeter"));
    let secrets = Volume::read("secrets", arguments.secrets.as_ref(), DEFAULT_SECRETS, diagnostics);
    let state = Volume::read("state", arguments.state.as_ref(), &default_state, diagnostics);
    let (secrets, state) = (secrets?, state.filter(|state| state.written.is_some() || service.is_some())?);
    check_apart(&secrets, &state, &default_state, diagnostics);
    Some(Volumes { secrets: secrets.path, state: state.path })
}

/// One of them, whose path is right.
struct Volume<'a> {
    key: &'static str,
    path: String,
    /// Where its author says so.
    written: Option<&'a Text>,
}

impl<'a> Volume<'a> {
    fn read(
        key: &'static str,
        written: Option<&'a Text>,
        default: &str,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let path = written.map_or(default, |text| &text.value).to_owned();
        if let Some((text, wrong)) = written.and_then(|text| Some((text, wrong_with(&text.value)?))) {
            let what = format!("volume `{}` {wrong}", text.value.escape_debug());
            let help = format!("write `{key} = \"{}\"`", path_like(&text.value, default));
            diagnostics.error(Rule::VolumePath, &text.place, what, help);
            return None;
        }
        Some(Self { key, path, written })
    }
}

/// What keeps a path from being that of a volume.
fn wrong_with(path: &str) -> Option<String> {
    let Some(parts) = path.strip_prefix('/') else {
        return Some("is not an absolute path".to_owned());
    };
    if parts.is_empty() {
        return Some("is the root of all files".to_owned());
    }
    if let Some(other) = path.chars().find(|c| !is_plain(*c) && *c != '/') {
        let rule = "letters, digits, `.`, `_` and `-` are what every file of a deployment reads alike";
        return Some(format!("holds `{}`: {rule}", other.escape_debug()));
    }
    for part in parts.split('/') {
        match part {
            "" if path.ends_with('/') => return Some("ends with `/`".to_owned()),
            "" => return Some("holds `//`".to_owned()),
            "." | ".." => return Some(format!("holds `{part}`, which leads elsewhere")),
            part if !part.starts_with(|c: char| c.is_ascii_alphanumeric()) => {
                return Some(format!("holds `{part}`, which does not begin with a letter or digit"));
            }
            _ => {}
        }
    }
    (path.len() > MAX_PATH).then(|| format!("is {} bytes long, the limit is {MAX_PATH}", path.len()))
}

/// Means nothing in a unit, in YAML, in an image recipe and in a shell.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// The nearest good path, `or` where nothing is near.
fn path_like(path: &str, or: &str) -> String {
    if path.contains(['$', '%', '~', '{']) {
        // Somebody was to put something else there.
        return or.to_owned();
    }
    let good = |part: &str| {
        let part: String = part.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
        part.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).trim_end_matches('-').to_owned()
    };
    let parts = path.split('/').map(good).filter(|part| !part.is_empty());
    let like: String = parts.map(|part| format!("/{part}")).collect();
    if wrong_with(&like).is_none() { like } else { or.to_owned() }
}

/// A secret that lies in what is kept is backed up with it, and what is kept among secrets cannot be written.
fn check_apart(secrets: &Volume<'_>, state: &Volume<'_>, default_state: &str, diagnostics: &mut Diagnostics) {
    let lies_in = |inner: &Volume<'_>, outer: &Volume<'_>| {
        inner.path.strip_prefix(&outer.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let (inner, outer) = if lies_in(state, secrets) {
        (state, secrets)
    } else if lies_in(secrets, state) {
        (secrets, state)
    } else {
        return;
    };
    let (key, path, other) = (inner.key, &inner.path, outer.key);
    let what = if *path == outer.path {
        format!("volumes `{key}` and `{other}` are both `{path}`")
    } else {
        format!("volume `{key}`, `{path}`, lies in volume `{other}`, `{}`", outer.path)
    };
    let help = format!("give each a folder of its own: `secrets = \"{DEFAULT_SECRETS}\", state = \"{default_state}\"`");
    // One of them is written: as they are by default, they are apart.
    if let Some(text) = inner.written.or(outer.written) {
        diagnostics.error(Rule::VolumesApart, &text.place, what, help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_the_same_in_every_file() {
        let longest = format!("/{}", "a".repeat(MAX_PATH - 1));
        for path in ["/data", "/var/lib/hecate-greeter", "/srv/A_1/x.y", &longest] {
            assert_eq!(wrong_with(path), None, "{path}");
        }
        let relative = ["", "data", "./data", "~/data", "C:/data"];
        let odd = ["/", "/data/", "//data", "/a//b", "/a/./b", "/a/..", "/a/../b", "/.a", "/-a", "/_a", "/..."];
        let read =
            ["/a:b", "/a,b", "/a b", "/a\nb", "/a\u{202e}b", "/%i", "/$HOME", "/a\"b", "/a\\b", "/{{a}}", "/ä", "/a#"];
        let too_long = format!("{longest}a");
        for path in relative.into_iter().chain(odd).chain(read).chain([&*too_long]) {
            assert!(wrong_with(path).is_some(), "{path}");
        }
    }

    #[test]
    fn a_bad_path_has_a_good_neighbour() {
        for (path, like) in [
            ("var/lib/x/", "/var/lib/x"),
            ("/data:ro", "/data-ro"),
            ("/a//b/../c", "/a/b/c"),
            ("/.local/x y", "/local/x-y"),
            ("/", "/or"),
            ("~/x", "/or"),
            ("$HOME/x", "/or"),
            ("\u{202e}", "/or"),
        ] {
            assert_eq!(path_like(path, "/or"), like, "{path}");
        }
        assert_eq!(path_like(&"/a".repeat(MAX_PATH), "/or"), "/or");
    }
}
