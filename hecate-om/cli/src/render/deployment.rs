//! What a deployment is made of. `new` and `render` both come here, so a project is born as it is rendered.

use hecate_om::manifest::{Manifest, Volumes};
use serde::Serialize;

use crate::failure::{DATA, Failure};
use crate::template::invisible;

/// What the templates of `templates/deploy` take of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Deployment {
    pub(crate) name: String,
    pub(crate) version: String,
    /// What it is for, in one line.
    pub(crate) summary: String,
    pub(crate) scope: String,
    /// Without tag.
    pub(crate) image: String,
    pub(crate) health_port: u16,
    /// Where the service finds its secrets.
    pub(crate) secrets: String,
    /// Where it keeps what lasts; the folder above that, with a slash at its end; and its name in there.
    pub(crate) state: String,
    state_parent: String,
    state_name: String,
    /// The user of the container: `nonroot` wherever that has a name.
    user: u32,
    /// Budgets of a stop, each inside the next: the service's own, the engine's, the unit's.
    stop_s: u32,
    engine_stop_s: u32,
    unit_stop_s: u32,
    /// `start` of the service has 300 seconds.
    unit_start_s: u32,
    watchdog_s: u32,
}

/// What is not said about a service that is on no registry.
pub(crate) const LOCAL_REGISTRY: &str = "localhost";

impl Deployment {
    pub(crate) fn new(name: &str, version: &str, summary: &str, scope: &str, image: String, health_port: u16) -> Self {
        let Volumes { secrets, state } = Volumes::of(name);
        let (state_parent, state_name) = parted(&state);
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: summary.to_owned(),
            scope: scope.to_owned(),
            image,
            health_port,
            secrets,
            state,
            state_parent,
            state_name,
            user: 65532,
            stop_s: 30,
            engine_stop_s: 35,
            unit_stop_s: 45,
            unit_start_s: 360,
            watchdog_s: 30,
        }
    }

    /// # Errors
    /// A description that no line of a unit can hold.
    pub(crate) fn of(manifest: &Manifest) -> Result<Self, Failure> {
        let image = manifest.image.clone().unwrap_or_else(|| format!("{LOCAL_REGISTRY}/{}", manifest.name));
        let summary = summary(&manifest.description)?;
        let Volumes { secrets, state } = manifest.volumes.clone();
        let (state_parent, state_name) = parted(&state);
        let health_port = manifest.ports.health;
        let made = Self::new(&manifest.name, &manifest.version, &summary, &manifest.scope, image, health_port);
        Ok(Self { secrets, state, state_parent, state_name, ..made })
    }
}

/// The folder above a path, with a slash at its end, and the name in there.
fn parted(path: &str) -> (String, String) {
    let (above, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
    (above.to_owned(), name.to_owned())
}

/// The first paragraph of a description, in one line.
fn summary(description: &str) -> Result<String, Failure> {
    let paragraph = description.trim().split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches('\\').trim_end().to_owned();
    match invisible(&line) {
        Some((character, what)) => {
            let what = format!("the description of the manifest holds `{}`, which {what}", character.escape_unicode());
            Err(Failure::new(DATA, what).help("take it out of the description of the service"))
        }
        None => Ok(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_becomes_one_line() {
        assert_eq!(summary("Says it\nback.\n\nAnd more.").unwrap(), "Says it back.");
        assert_eq!(summary(" a\tb \\\\").unwrap(), "a b");
    }

    #[test]
    fn a_description_that_turns_around_what_is_read_is_refused() {
        let told = summary("safe\u{202e}desrever").unwrap_err().told(false);
        assert!(told.contains("`\\u{202e}`") && told.contains("direction"), "{told}");
    }

    #[test]
    fn a_folder_lies_in_the_one_above_it() {
        assert_eq!(parted("/var/lib/x"), ("/var/lib/".to_owned(), "x".to_owned()));
        assert_eq!(parted("/data"), ("/".to_owned(), "data".to_owned()));
    }

    #[test]
    fn the_budgets_of_a_stop_nest() {
        let made = Deployment::new("a", "1.0.0", "b", "a", "localhost/a".to_owned(), 8470);
        assert!(made.stop_s < made.engine_stop_s && made.engine_stop_s < made.unit_stop_s && made.unit_start_s > 300);
    }
}
