//! What names a service and tells people of it: the arguments of `#[hecate_service]`, and their defaults.

use super::types::spelled;
use super::volumes;
use crate::arguments::{self, Integer, PORT_KEYS, PortArguments, Read, ServiceArguments, Text};
use crate::diagnostics::{Diagnostics, Rule};
use crate::docs::Doc;
use crate::model::{HEALTH_PORT, Volumes};
use crate::names::{is_kebab, is_snake, kebab_like, semver_like, snake_like};
use crate::package::Package;
use crate::parse::Block;

/// The longest service name, in bytes: it is part of a socket path, which the kernel limits to 107.
const MAX_SERVICE_NAME: usize = 40;

/// What names a service and tells people of it.
pub(super) struct Head {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) description: String,
    pub(super) scope: String,
    pub(super) health_port: u16,
    pub(super) volumes: Volumes,
    pub(super) license: Option<String>,
    pub(super) repository: Option<String>,
    pub(super) callback_module: String,
}

/// Reads the head of a service, and its scope, which may be right where something else is wrong.
pub(super) fn read(
    arguments: &Read<ServiceArguments>,
    block: &Block,
    package: &Package,
    diagnostics: &mut Diagnostics,
) -> (Option<Head>, Option<String>) {
    let version = version(arguments, package, diagnostics);
    let description = description(arguments, block, package, diagnostics);
    let texts = [
        ("display_name", &arguments.display_name),
        ("license", &arguments.license),
        ("repository", &arguments.repository),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            check_not_blank(key, text, diagnostics);
        }
    }
    check_word("tenancy", &arguments.tenancy, "realm", diagnostics);
    check_word("runs_on", &arguments.runs_on, "infrastructure_node", diagnostics);
    check_image(arguments, diagnostics);
    check_dependencies(arguments, diagnostics);
    let health_port = health_port(arguments, diagnostics);
    let explicit_scope = arguments.scope.as_ref().map(|scope| checked_scope(scope, diagnostics));
    let name = name(arguments, block, diagnostics);
    let volumes = volumes::read(arguments.volumes.as_ref(), name.as_deref(), diagnostics);
    let scope = explicit_scope.unwrap_or_else(|| name.as_deref().map(default_scope));
    let or_package = |argument: &Option<Text>, default: &Option<String>| {
        argument.as_ref().map(|text| text.value.clone()).or_else(|| default.clone())
    };
    let head = || {
        Some(Head {
            name: name?,
            version: version?,
            description: description?,
            scope: scope.clone()?,
            health_port: health_port?,
            volumes: volumes?,
            license: or_package(&arguments.license, &package.license),
            repository: or_package(&arguments.repository, &package.repository),
            callback_module: format!("{}::{}", package.crate_name, spelled(&block.self_type)),
        })
    };
    (head(), scope)
}

fn name(arguments: &Read<ServiceArguments>, block: &Block, diagnostics: &mut Diagnostics) -> Option<String> {
    let Some(name) = &arguments.name else {
        if !arguments.attempted("name") {
            let ty = spelled(&block.self_type);
            let like = kebab_like(&ty, "service");
            let example = if like.starts_with("hecate-") { like } else { format!("hecate-{like}") };
            let what = format!("service `{ty}` has no name");
            let help = format!("write `#[hecate_service(name = \"{example}\")]`");
            diagnostics.error(Rule::ServiceName, &block.self_type, what, help);
        }
        return None;
    };
    checked_service_name(name, |like| format!("name = \"{like}\""), diagnostics)
}

/// The name of a service, if it is one; `written` is how its author would write another.
pub(crate) fn checked_service_name(
    name: &Text,
    written: impl FnOnce(&str) -> String,
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    if !is_kebab(&name.value) {
        let what = format!(
            "service name `{}` is not kebab-case: lower-case letters, digits and single `-`, a letter first",
            name.value
        );
        let like = kebab_like(&name.value, "hecate-greeter");
        diagnostics.error(Rule::KebabServiceName, &name.place, what, format!("write `{}`", written(&like)));
        return None;
    }
    if name.value.len() > MAX_SERVICE_NAME {
        let what = format!(
            "service name is {} bytes long, the limit is {MAX_SERVICE_NAME}: it is part of a socket path",
            name.value.len()
        );
        diagnostics.error(Rule::ShortServiceName, &name.place, what, "shorten it");
        return None;
    }
    Some(name.value.clone())
}

/// The scope of a service that does not say: its name without `hecate-`, in snake case.
fn default_scope(name: &str) -> String {
    name.strip_prefix("hecate-").unwrap_or(name).replace('-', "_")
}

fn checked_scope(scope: &Text, diagnostics: &mut Diagnostics) -> Option<String> {
    if is_snake(&scope.value) {
        return Some(scope.value.clone());
    }
    let what =
        format!("scope `{}` is not lower snake: lower-case letters, digits and `_`, a letter first", scope.value);
    let help = format!("write `scope = \"{}\"`", snake_like(&scope.value, "greeter"));
    diagnostics.error(Rule::SnakeScope, &scope.place, what, help);
    None
}

fn version(arguments: &ServiceArguments, package: &Package, diagnostics: &mut Diagnostics) -> Option<String> {
    let Some(version) = &arguments.version else { return Some(package.version.clone()) };
    if semver::Version::parse(&version.value).is_ok() {
        return Some(version.value.clone());
    }
    let what = format!("service version `{}` is not a semantic version", version.value);
    let help = format!("write `version = \"{}\"`, or leave it out to use the package's", semver_like(&version.value));
    diagnostics.error(Rule::SemanticVersion, &version.place, what, help);
    None
}

fn description(
    arguments: &Read<ServiceArguments>,
    block: &Block,
    package: &Package,
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    if let Some(description) = &arguments.description {
        return check_not_blank("description", description, diagnostics).then(|| description.value.clone());
    }
    if arguments.attempted("description") {
        return None;
    }
    let doc = Doc::of(&block.attributes);
    if let Some(attribute) = doc.unreadable {
        let what = "this doc comment is no literal, so the manifest cannot hold it";
        diagnostics.error(Rule::LiteralDoc, attribute, what, "say what the service does with `description = \"...\"`");
        return None;
    }
    let found = Some(doc.text).filter(|text| !text.is_empty()).or_else(|| package.description.clone());
    if found.is_none() {
        let what = format!("service `{}` does not say what it does", spelled(&block.self_type));
        let help = "write `/// What it does.` above `#[hecate_service]`, or `description` in Cargo.toml";
        diagnostics.error(Rule::ServiceDescription, &block.self_type, what, help);
    }
    found
}

pub(super) fn check_not_blank(key: &str, text: &Text, diagnostics: &mut Diagnostics) -> bool {
    let blank = text.value.trim().is_empty();
    if blank {
        let what = format!("`{key}` is empty");
        diagnostics.error(Rule::NonEmptyText, &text.place, what, "say something, or leave the argument out");
    }
    !blank
}

fn check_word(key: &str, word: &Option<Text>, example: &str, diagnostics: &mut Diagnostics) {
    let Some(word) = word.as_ref().filter(|word| !is_snake(&word.value)) else { return };
    let what = format!("`{key}` is a lower snake word, found `{}`", word.value);
    let help = format!("write `{key} = \"{}\"`", snake_like(&word.value, example));
    diagnostics.error(Rule::PlacementWord, &word.place, what, help);
}

fn is_image(image: &str) -> bool {
    let (path, name) = image.rsplit_once('/').unwrap_or(("", image));
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let registry = |c: char| legal(c) || "/:".contains(c);
    !name.is_empty()
        && name.chars().all(legal)
        && path.chars().all(registry)
        && !path.starts_with('/')
        && !path.ends_with('/')
}

fn check_image(arguments: &ServiceArguments, diagnostics: &mut Diagnostics) {
    let Some(image) = arguments.image.as_ref().filter(|image| !is_image(&image.value)) else { return };
    let bare = image.value.split('@').next().unwrap_or_default();
    let bare = bare.rfind(':').filter(|colon| !bare[*colon..].contains('/')).map_or(bare, |colon| &bare[..colon]);
    let like = if is_image(bare) { bare } else { "ghcr.io/acme/hecate-greeter" };
    let what = format!("image `{}` is not a repository without tag or digest", image.value);
    let help = format!("write `image = \"{like}\"`; whoever deploys it picks the tag");
    diagnostics.error(Rule::ImageReference, &image.place, what, help);
}

fn check_dependencies(arguments: &ServiceArguments, diagnostics: &mut Diagnostics) {
    for name in arguments.depends_on.iter().flat_map(|names| &names.value) {
        if !is_kebab(&name.value) {
            let what = format!("`{}` is not the name of a service", name.value);
            let help = format!("write `\"{}\"`", kebab_like(&name.value, "macula-station"));
            diagnostics.error(Rule::DependencyName, &name.place, what, help);
        }
    }
}

fn health_port(arguments: &ServiceArguments, diagnostics: &mut Diagnostics) -> Option<u16> {
    let Some(nested) = &arguments.ports else { return Some(HEALTH_PORT) };
    let ports: Read<PortArguments> = arguments::read(nested.0.clone(), &PORT_KEYS, diagnostics);
    let Some(port) = &ports.health else { return Some(HEALTH_PORT) };
    let checked = in_u16(port);
    if checked.is_none() {
        let what = format!("a port is 1 to 65535, found `{}`", spelled(&port.place));
        diagnostics.error(Rule::PortRange, &port.place, what, format!("write `ports(health = {HEALTH_PORT})`"));
    }
    checked
}

/// The version, if it is one.
pub(crate) fn checked_version(
    version: &Integer,
    help: impl std::fmt::Display,
    diagnostics: &mut Diagnostics,
) -> Option<u16> {
    let checked = in_u16(version);
    if checked.is_none() {
        let what = format!("a version is a whole number from 1 to 65535, found `{}`", spelled(&version.place));
        diagnostics.error(Rule::VersionRange, &version.place, what, help);
    }
    checked
}

/// The number, if it is 1 to 65535.
fn in_u16(number: &Integer) -> Option<u16> {
    number.value.and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0)
}
