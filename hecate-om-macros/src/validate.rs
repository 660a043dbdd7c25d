//! Turns what an author wrote into what holds, or says why not. Everything that tokens can decide of
//! the contract is decided here.

mod callbacks;
mod capability;
mod handler;

use quote::ToTokens;
use syn::{GenericArgument, GenericParam, PathArguments, Type};

use crate::arguments::{Integer, ServiceArguments, Text, Texts};
use crate::crate_path::CratePath;
use crate::diagnostics::{Diagnostics, Rule};
use crate::docs::Doc;
use crate::model::{Callbacks, Capability, HEALTH_PORT, Handler, Service};
use crate::names::{is_kebab, is_snake, kebab_like, snake_like, title_of};
use crate::package::Package;
use crate::parse::{Block, BlockItem, attributes_of, is_capability};

/// The longest service name, in bytes: it is part of a socket path, which the kernel limits to 107.
const MAX_SERVICE_NAME: usize = 40;

/// What came out of a block.
pub(crate) struct Found {
    /// The service, if nothing is wrong with it.
    pub(crate) service: Option<Service>,
    /// The handlers whose signatures can be read, whatever else is wrong.
    pub(crate) handlers: Vec<Handler>,
}

/// Checks a whole block; the diagnostics hold all that is wrong with it.
pub(crate) fn service(
    arguments: &ServiceArguments,
    block: &Block,
    crate_path: &CratePath,
    package: &Package,
    diagnostics: &mut Diagnostics,
) -> Found {
    check_placement(block, diagnostics);
    check_items(block, diagnostics);
    let head = head(arguments, block, package, diagnostics);
    let scope = head.as_ref().map(|head| head.scope.as_str());
    let callbacks = callbacks::read(block, diagnostics);
    let (handlers, capabilities) = capability::read(block, scope, crate_path, diagnostics);
    let service = head.map(|head| assemble(head, arguments, block, crate_path, callbacks, capabilities));
    Found { service, handlers }
}

/// What names a service and tells people of it.
struct Head {
    name: String,
    version: String,
    description: String,
    scope: String,
    health_port: u16,
    license: Option<String>,
    repository: Option<String>,
    callback_module: String,
}

fn assemble(
    head: Head,
    arguments: &ServiceArguments,
    block: &Block,
    crate_path: &CratePath,
    callbacks: Callbacks,
    capabilities: Vec<Capability>,
) -> Service {
    let text = |argument: &Option<Text>| argument.as_ref().map(|text| text.value.clone());
    Service {
        crate_path: crate_path.clone(),
        display_name: text(&arguments.display_name).unwrap_or_else(|| title_of(&head.name)),
        tenancy: text(&arguments.tenancy).unwrap_or_else(|| "realm".to_owned()),
        runs_on: text(&arguments.runs_on).unwrap_or_else(|| "infrastructure_node".to_owned()),
        image: text(&arguments.image),
        depends_on: arguments.depends_on.iter().flat_map(|Texts(names)| names).map(|name| name.value.clone()).collect(),
        name: head.name,
        version: head.version,
        description: head.description,
        scope: head.scope,
        health_port: head.health_port,
        license: head.license,
        repository: head.repository,
        callback_module: head.callback_module,
        self_type: block.self_type.clone(),
        callbacks,
        capabilities,
    }
}

/// The type as its author wrote it, for messages.
pub(crate) fn spelled(tokens: impl ToTokens) -> String {
    let text = tokens.to_token_stream().to_string();
    let tight =
        [(" :: ", "::"), (":: ", "::"), (" <", "<"), ("< ", "<"), (" >", ">"), ("& ", "&"), (" ,", ","), ("' ", "'")];
    tight.into_iter().fold(text, |text, (loose, tight)| text.replace(loose, tight))
}

fn check_placement(block: &Block, diagnostics: &mut Diagnostics) {
    let name = spelled(&block.self_type);
    if let Some(of_trait) = &block.of_trait {
        let what =
            format!("`#[hecate_service]` needs an inherent `impl`, found `impl {} for {name}`", spelled(of_trait));
        diagnostics.error(Rule::InherentImpl, of_trait, what, format!("write `impl {name} {{ .. }}`"));
    }
    let Type::Path(path) = ungrouped_type(&block.self_type) else {
        let what = format!("a service is a struct or an enum of your own, found `{name}`");
        diagnostics.error(
            Rule::NamedService,
            &block.self_type,
            what,
            "write `struct Greeter { .. }` and `impl Greeter { .. }`",
        );
        return;
    };
    for parameter in &block.generics.params {
        if let GenericParam::Lifetime(lifetime) = parameter {
            let what = format!("service `{name}` cannot borrow: it lives as long as its process");
            diagnostics.error(Rule::OwnedService, lifetime, what, "own the data, or share it in an `Arc`");
        } else {
            let what = format!("service `{name}` cannot be generic: its manifest must name one type");
            diagnostics.error(Rule::ConcreteService, parameter, what, "use a concrete type, or a `Box<dyn ..>` field");
        }
    }
    // `impl Greeter<'_>` and `impl Greeter<'static>` name no parameter of the block.
    let arguments = path.path.segments.iter().filter_map(|segment| match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    });
    for argument in arguments.flatten() {
        if let GenericArgument::Lifetime(lifetime) = argument
            && lifetime.ident == "_"
        {
            let what = format!("service `{name}` cannot borrow: it lives as long as its process");
            diagnostics.error(Rule::OwnedService, lifetime, what, "own the data, or share it in an `Arc`");
        }
    }
}

/// A type without the invisible groups that `macro_rules!` puts around what it hands on.
pub(crate) fn ungrouped_type(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            other => return other,
        };
    }
}

fn check_items(block: &Block, diagnostics: &mut Diagnostics) {
    for item in &block.items {
        let BlockItem::Other(other) = item else { continue };
        if let syn::ImplItem::Macro(call) = &**other {
            let what = "a macro call in a service block is expanded too late: its capabilities would be missed";
            diagnostics.error(
                Rule::NoMacroCalls,
                &call.mac.path,
                what,
                "let the macro write the whole `#[hecate_service] impl`, or call it in another block",
            );
        }
        for attribute in attributes_of(other).iter().filter(|attribute| is_capability(attribute)) {
            diagnostics.error(
                Rule::CapabilityOnMethod,
                attribute,
                "`#[capability]` goes on a method",
                "write it above an `async fn`",
            );
        }
    }
}

fn head(arguments: &ServiceArguments, block: &Block, package: &Package, diagnostics: &mut Diagnostics) -> Option<Head> {
    let version = version(arguments, package, diagnostics);
    let description = description(arguments, block, package, diagnostics);
    for text in [&arguments.display_name, &arguments.license, &arguments.repository].into_iter().flatten() {
        check_not_blank(text, diagnostics);
    }
    for word in [&arguments.tenancy, &arguments.runs_on].into_iter().flatten() {
        if !is_snake(&word.value) {
            let what = format!("`{}` is not a lower snake word", word.value);
            diagnostics.error(
                Rule::PlacementWord,
                &word.place,
                what,
                format!("`\"{}\"`", snake_like(&word.value, "realm")),
            );
        }
    }
    check_image(arguments, diagnostics);
    check_dependencies(arguments, diagnostics);
    let health_port = health_port(arguments, diagnostics);
    let explicit_scope = arguments.scope.as_ref().map(|scope| checked_scope(scope, diagnostics));
    let name = name(arguments, block, diagnostics);
    let scope = explicit_scope.unwrap_or_else(|| name.as_deref().map(default_scope));
    let or_package = |argument: &Option<Text>, default: &Option<String>| {
        argument.as_ref().map(|text| text.value.clone()).or_else(|| default.clone())
    };
    Some(Head {
        name: name?,
        version: version?,
        description: description?,
        scope: scope?,
        health_port: health_port?,
        license: or_package(&arguments.license, &package.license),
        repository: or_package(&arguments.repository, &package.repository),
        callback_module: format!("{}::{}", package.crate_name, spelled(&block.self_type)),
    })
}

fn name(arguments: &ServiceArguments, block: &Block, diagnostics: &mut Diagnostics) -> Option<String> {
    let Some(name) = &arguments.name else {
        let ty = spelled(&block.self_type);
        let like = kebab_like(&ty, "service");
        let example = if like.starts_with("hecate-") { like } else { format!("hecate-{like}") };
        let what = format!("service `{ty}` has no name");
        diagnostics.error(
            Rule::ServiceName,
            &block.self_type,
            what,
            format!("write `#[hecate_service(name = \"{example}\")]`"),
        );
        return None;
    };
    if !is_kebab(&name.value) {
        let what = format!(
            "service name `{}` is not kebab-case: lower-case letters, digits and single `-`, a letter first",
            name.value
        );
        let like = kebab_like(&name.value, "hecate-greeter");
        diagnostics.error(Rule::KebabServiceName, &name.place, what, format!("`name = \"{like}\"`"));
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
    diagnostics.error(
        Rule::SnakeScope,
        &scope.place,
        what,
        format!("`scope = \"{}\"`", snake_like(&scope.value, "greeter")),
    );
    None
}

fn version(arguments: &ServiceArguments, package: &Package, diagnostics: &mut Diagnostics) -> Option<String> {
    let Some(version) = &arguments.version else { return Some(package.version.clone()) };
    if semver::Version::parse(&version.value).is_ok() {
        return Some(version.value.clone());
    }
    let padded = ["", ".0", ".0.0"].map(|rest| format!("{}{rest}", version.value.trim_start_matches('v')));
    let like = padded.iter().find(|like| semver::Version::parse(like).is_ok()).map_or("1.0.0", String::as_str);
    let what = format!("service version `{}` is not a semantic version", version.value);
    diagnostics.error(
        Rule::SemanticVersion,
        &version.place,
        what,
        format!("`version = \"{like}\"`, or leave it out to use the package's"),
    );
    None
}

fn description(
    arguments: &ServiceArguments,
    block: &Block,
    package: &Package,
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    if let Some(description) = &arguments.description {
        return check_not_blank(description, diagnostics).then(|| description.value.clone());
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

pub(crate) fn check_not_blank(text: &Text, diagnostics: &mut Diagnostics) -> bool {
    let blank = text.value.trim().is_empty();
    if blank {
        diagnostics.error(
            Rule::NonEmptyText,
            &text.place,
            "this text is empty",
            "say something, or leave the argument out",
        );
    }
    !blank
}

fn check_image(arguments: &ServiceArguments, diagnostics: &mut Diagnostics) {
    let Some(image) = &arguments.image else { return };
    let (path, name) = image.value.rsplit_once('/').unwrap_or(("", &image.value));
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let registry = |c: char| legal(c) || "/:".contains(c);
    if name.is_empty()
        || !name.chars().all(legal)
        || !path.chars().all(registry)
        || path.starts_with('/')
        || path.ends_with('/')
    {
        let what = format!("image `{}` is not a repository without tag or digest", image.value);
        diagnostics.error(
            Rule::ImageReference,
            &image.place,
            what,
            "`image = \"ghcr.io/acme/hecate-greeter\"`; whoever deploys it picks the tag",
        );
    }
}

fn check_dependencies(arguments: &ServiceArguments, diagnostics: &mut Diagnostics) {
    for name in arguments.depends_on.iter().flat_map(|Texts(names)| names) {
        if !is_kebab(&name.value) {
            let what = format!("`{}` is not the name of a service", name.value);
            diagnostics.error(
                Rule::DependencyName,
                &name.place,
                what,
                format!("`\"{}\"`", kebab_like(&name.value, "macula-station")),
            );
        }
    }
}

fn health_port(arguments: &ServiceArguments, diagnostics: &mut Diagnostics) -> Option<u16> {
    let Some(port) = arguments.ports.as_ref().and_then(|ports| ports.health.as_ref()) else { return Some(HEALTH_PORT) };
    let checked = in_u16(port);
    if checked.is_none() {
        let what = format!("a port is 1 to 65535, found `{}`", spelled(&port.place));
        diagnostics.error(Rule::PortRange, &port.place, what, format!("`ports(health = {HEALTH_PORT})`"));
    }
    checked
}

/// The number, if it is 1 to 65535.
pub(crate) fn in_u16(number: &Integer) -> Option<u16> {
    number.value.and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0)
}
