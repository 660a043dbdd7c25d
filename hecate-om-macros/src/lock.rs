//! Holds a service to the `contract.lock.json` of its package, as far as names, versions and kinds go; what is in the
//! messages only types know, and the generated test holds that.

mod read;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use proc_macro2::{Span, TokenStream};
use quote::quote;

use crate::diagnostics::{Diagnostics, Rule};
use crate::model::{Capability, Service};
use crate::names::nearest;
use crate::validate::types::first_span;
use read::{Fault, Node, Value};

/// The name of the file, beside the Cargo.toml of the package.
const FILE: &str = "contract.lock.json";
/// Set to `lifted` by `hecate-om lock`, which has to build what does not keep the lock.
const LIFTED: &str = "BUILD_HECATE_CONTRACT_LOCK";
const SCHEMA: &str = "hecate.contract.lock/1";
/// The largest lock that is read, as by `hecate_om::contract_lock`.
const MAX_BYTES: usize = 4 << 20;
const KINDS: [&str; 4] = ["unary", "server_stream", "client_stream", "bidi"];

/// The lock of the package that is compiled.
#[derive(Debug, Clone)]
pub(crate) struct Lock {
    /// Its text, or why there is none.
    text: Result<String, String>,
    is_lifted: bool,
}

/// What a lock says of a capability.
#[derive(Debug)]
struct Locked {
    name: String,
    version: u16,
    kind: String,
}

impl Lock {
    /// None where the package has no lock, or there is no package.
    pub(crate) fn of_package() -> Option<Self> {
        let folder = std::env::var_os("CARGO_MANIFEST_DIR")?;
        let text = match read_bounded(&Path::new(&folder).join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            read => read.map_err(|error| error.to_string()),
        };
        Some(Self { text, is_lifted: std::env::var_os(LIFTED).is_some_and(|value| value == "lifted") })
    }

    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Self {
        Self { text: Ok(text.to_owned()), is_lifted: false }
    }

    #[cfg(test)]
    fn lifted(self) -> Self {
        Self { is_lifted: true, ..self }
    }

    /// Tells what of the lock a service does not keep.
    pub(crate) fn check(&self, service: &Service, diagnostics: &mut Diagnostics) {
        if self.is_lifted {
            return;
        }
        match self.text.as_ref().map_err(Clone::clone).and_then(|text| locked(text, &service.name)) {
            Ok(locked) => check_all(&locked, service, diagnostics),
            Err(why) => {
                let what = format!("`{FILE}` of this package cannot be read: {why}");
                let help = "take it back from version control, or remove it and run `hecate-om lock`";
                diagnostics.error_at(Rule::ReadableLock, place(service), what, help);
            }
        }
    }
}

/// Names the lock, so that a change of it, or of whether it is looked at, builds anew.
pub(crate) fn tracked() -> TokenStream {
    quote! {
        const _: &[::core::primitive::u8] =
            ::core::include_bytes!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #FILE));
        const _: ::core::option::Option<&::core::primitive::str> = ::core::option_env!(#LIFTED);
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    if text.len() > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

fn check_all(locked: &[Locked], service: &Service, diagnostics: &mut Diagnostics) {
    let has = |capability: &Capability, locked: &Locked| {
        capability.name == locked.name && capability.version == locked.version
    };
    let is_lost = |locked: &&Locked| !service.capabilities.iter().any(|capability| has(capability, locked));
    let is_new = |capability: &&Capability| !locked.iter().any(|locked| has(capability, locked));
    let lost: Vec<&Locked> = locked.iter().filter(is_lost).collect();
    let new: Vec<&Capability> = service.capabilities.iter().filter(is_new).collect();
    for locked in &lost {
        tell_lost(locked, &new, lost.len() == 1, service, diagnostics);
    }
    for locked in locked {
        let Some(capability) = service.capabilities.iter().find(|capability| has(capability, locked)) else { continue };
        let (name, version, was, is) = (&locked.name, locked.version, &locked.kind, capability.handler.kind());
        if is.to_string() != *was {
            let what = format!("`{name}@{version}` is `{was}` in `{FILE}`, and `{is}` here: callers could not call it");
            let help = format!(
                "keep it as it was and make this another version of it, `version = {}`; or run \
                 `hecate-om lock --accept-breaking` if no caller needs it as it was",
                version.saturating_add(1)
            );
            diagnostics.error(Rule::LockedKind, &capability.handler.method, what, help);
        }
    }
}

/// A capability of the lock that the block does not have; what of the new ones it may have become.
fn tell_lost(locked: &Locked, new: &[&Capability], is_only: bool, service: &Service, diagnostics: &mut Diagnostics) {
    let Locked { name, version, .. } = locked;
    let same_version: Vec<&&Capability> = new.iter().filter(|capability| capability.version == *version).collect();
    let names: Vec<&str> = same_version.iter().map(|capability| capability.name.as_str()).collect();
    // One that went while one came, whatever the two are called, is most likely the same.
    let only = (is_only && names.len() == 1).then(|| names.first().copied()).flatten();
    let renamed = nearest(name, &names).or(only);
    let renamed = same_version.iter().find(|capability| renamed == Some(capability.name.as_str()));
    let raised = new.iter().find(|capability| capability.name == *name);
    let lost = format!("`{name}@{version}` is in `{FILE}`, and `{}` has it no more", service.name);
    let breaking = "`hecate-om lock --accept-breaking` if no caller needs it";
    let (what, help) = match (raised, renamed) {
        (Some(raised), _) => (
            format!("{lost}, only version {}", raised.version),
            format!(
                "keep version {version} beside it, `#[capability(name = \"{name}\", version = {version}, \
                 deprecated = \"why\")]`; or run {breaking}"
            ),
        ),
        (None, Some(renamed)) => (
            format!("{lost}; was it renamed to `{}@{version}`?", renamed.name),
            format!("write `name = \"{name}\"` above `{}`, or have both; or run {breaking}", renamed.handler.method),
        ),
        (None, None) => {
            (lost, format!("put it back, with `deprecated = \"why\"` if callers should leave it; or run {breaking}"))
        }
    };
    diagnostics.error_at(Rule::LockedCapability, place(service), what, help);
}

/// The attribute, as if its author had written the error there: else rustc adds a note on macros.
fn place(service: &Service) -> Span {
    Span::call_site().resolved_at(first_span(&service.self_type))
}

/// What the lock says of one service; nothing where it does not name it.
fn locked(text: &str, service: &str) -> Result<Vec<Locked>, String> {
    let told = |fault: Fault| fault.told(text);
    let document = read::json(text).map_err(told)?;
    let found = capabilities(&document, service).map_err(told)?;
    found.map_or(Ok(Vec::new()), |found| found.iter().map(|node| capability(node).map_err(told)).collect())
}

fn capabilities<'a>(document: &'a Node, service: &str) -> Result<Option<&'a [Node]>, Fault> {
    let schema = document.field("schema")?;
    if schema.text()? != SCHEMA {
        return Err(schema.fault(format!("expected `{SCHEMA}`, the schema that this version reads")));
    }
    let services = document.field("services")?;
    let Some(service) = services.optional_field(service)? else { return Ok(None) };
    let capabilities = service.field("capabilities")?;
    match &capabilities.value {
        Value::List(items) => Ok(Some(items)),
        _ => Err(capabilities.fault("expected an array of capabilities")),
    }
}

fn capability(node: &Node) -> Result<Locked, Fault> {
    let version = node.field("version")?;
    let Value::Number(number) = &version.value else { return Err(version.fault("expected a version, 1 to 65535")) };
    let number = number.parse().ok().filter(|number| *number > 0);
    let kind = node.field("kind")?;
    if !KINDS.contains(&kind.text()?) {
        return Err(kind.fault(format!("expected a kind: `{}`", KINDS.join("`, `"))));
    }
    Ok(Locked {
        name: node.field("name")?.text()?.to_owned(),
        version: number.ok_or_else(|| version.fault("expected a version, 1 to 65535"))?,
        kind: kind.text()?.to_owned(),
    })
}

#[cfg(test)]
mod tests;
