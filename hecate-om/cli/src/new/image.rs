//! The image of a service, from who owns it and which registry has it.

use crate::failure::{Failure, USAGE};
use crate::render::LOCAL_REGISTRY;

/// Where images go when only the owner is said.
const REGISTRY: &str = "ghcr.io";

/// Where the image of a service is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) reference: String,
    /// Empty where it is on none.
    pub(super) registry: String,
}

impl Image {
    /// # Errors
    /// An owner or a registry that no image can have.
    pub(super) fn new(org: Option<&str>, registry: Option<&str>, name: &str) -> Result<Self, Failure> {
        if let Some(org) = org
            && !is_path(org)
        {
            return Err(refused("--org", org, "acme", "the owner of images, in `a-z`, `0-9`, `.`, `_` and `-`"));
        }
        if let Some(registry) = registry
            && !is_registry(registry)
        {
            return Err(refused("--registry", registry, REGISTRY, "the host of a registry, perhaps with a port"));
        }
        let parts = match (registry, org) {
            (None, None) => [Some(LOCAL_REGISTRY), None],
            (registry, org) => [registry.or(Some(REGISTRY)), org],
        };
        let reference = parts.into_iter().flatten().chain([name]).collect::<Vec<_>>().join("/");
        let host = parts[0].filter(|host| *host != LOCAL_REGISTRY).unwrap_or_default();
        Ok(Self { reference, registry: host.split('/').next().unwrap_or_default().to_owned() })
    }
}

fn refused(option: &str, value: &str, example: &str, rule: &str) -> Failure {
    // The address of a registry is its host with a scheme before it, and perhaps a `/` behind.
    let bare = value.split_once("://").map_or(value, |(_, rest)| rest).trim().trim_matches('/').to_lowercase();
    let near: String = bare
        .chars()
        .map(|c| if c.is_whitespace() { '-' } else { c })
        .filter(|c| c.is_ascii_alphanumeric() || "._-/:".contains(*c))
        .take(100)
        .collect();
    let is_right = if option == "--org" { is_path(&near) } else { is_registry(&near) };
    let near = if is_right { near } else { example.to_owned() };
    let value: String = value.escape_debug().take(60).collect();
    Failure::new(USAGE, format!("{option} is {rule}, not `{value}`")).help(format!("write `{option} {near}`"))
}

/// One or more parts of the path of an image.
fn is_path(text: &str) -> bool {
    let is_part = |part: &str| {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(word) && part.ends_with(word) && part.chars().all(|c| word(c) || "._-".contains(c))
    };
    text.len() <= 100 && text.split('/').all(is_part)
}

fn is_registry(text: &str) -> bool {
    let (host, path) = text.split_once('/').unwrap_or((text, "x"));
    let (host, port) = host.split_once(':').unwrap_or((host, "1"));
    is_path(host) && is_path(path) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_where_its_owner_says() {
        let image = |org, registry| {
            let image = Image::new(org, registry, "weather").unwrap();
            (image.reference, image.registry)
        };
        let pair = |reference: &str, registry: &str| (reference.to_owned(), registry.to_owned());
        assert_eq!(image(None, None), pair("localhost/weather", ""));
        assert_eq!(image(Some("acme"), None), pair("ghcr.io/acme/weather", "ghcr.io"));
        assert_eq!(
            image(Some("acme/forecasts"), Some("registry.example.com:5000")),
            pair("registry.example.com:5000/acme/forecasts/weather", "registry.example.com:5000")
        );
        assert_eq!(
            image(None, Some("registry.example.com/team")),
            pair("registry.example.com/team/weather", "registry.example.com")
        );
    }

    #[test]
    fn what_no_image_can_have_is_refused() {
        for org in ["Acme", "a b", "", "-a", "a/", "$(id)", "a\n", "${{ x }}", "a:b"] {
            let told = Image::new(Some(org), None, "weather").unwrap_err().told(false);
            assert!(told.contains("--org") && told.contains("help: write"), "{told}");
        }
        for registry in ["https://ghcr.io", "ghcr.io/", "ghcr.io:0", "ghcr.io:x", "", "a b"] {
            assert!(Image::new(None, Some(registry), "weather").is_err(), "{registry}");
        }
        for (org, near) in [("Acme", "acme"), ("Acme Corp", "acme-corp"), ("acme/", "acme"), ("$()", "acme")] {
            let told = Image::new(Some(org), None, "weather").unwrap_err().told(false);
            assert!(told.ends_with(&format!("write `--org {near}`")), "{told}");
        }
        for (registry, near) in [
            ("https://ghcr.io", "ghcr.io"),
            ("HTTP://Registry.example.com:5000/team/", "registry.example.com:5000/team"),
            ("ghcr.io:0", "ghcr.io"),
            ("", "ghcr.io"),
        ] {
            let told = Image::new(None, Some(registry), "weather").unwrap_err().told(false);
            assert!(told.ends_with(&format!("write `--registry {near}`")), "{told}");
        }
    }
}
