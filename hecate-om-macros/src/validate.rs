//! Turns what an author wrote into what holds, or says why not. Everything that tokens can decide of
//! the contract is decided here.

mod access;
mod callbacks;
mod capability;
mod confidential;
mod declared;
mod handler;
mod head;
mod identity;
mod limits;
mod placement;
pub(crate) mod stream;
pub(crate) mod types;
mod uses;
mod volumes;

use crate::arguments::{Read, ServiceArguments, Text};
use crate::crate_path::CratePath;
use crate::diagnostics::Diagnostics;
use crate::model::{Access, Callbacks, Capability, Handler, Identity, Service, Use};
use crate::names::title_of;
use crate::package::Package;
use crate::parse::Block;
use head::Head;

pub(crate) use access::access;
pub(crate) use declared::{check_dotted, check_length, dotted_like};
pub(crate) use handler::check_request;
pub(crate) use head::{checked_service_name, checked_version};
pub(crate) use placement::meant;

/// What came out of a block.
pub(crate) struct Found {
    /// The service, if nothing is wrong with it.
    pub(crate) service: Option<Service>,
    /// The handlers, whatever is wrong.
    pub(crate) handlers: Vec<Handler>,
    /// What it uses, as far as that can be told.
    pub(crate) uses: Vec<Use>,
}

/// Checks a whole block; the diagnostics hold all that is wrong with it.
pub(crate) fn service(
    arguments: &Read<ServiceArguments>,
    block: &Block,
    crate_path: &CratePath,
    package: &Package,
    diagnostics: &mut Diagnostics,
) -> Found {
    placement::check(block, diagnostics);
    let (head, scope) = head::read(arguments, block, package, diagnostics);
    let callbacks = callbacks::read(block, diagnostics);
    let default = arguments.access.as_ref().and_then(|written| access(written, diagnostics)).unwrap_or(Access::Realm);
    let (handlers, capabilities) = capability::read(block, scope.as_deref(), &default, crate_path, diagnostics);
    let uses = uses::read(arguments.uses.as_ref(), &block.self_type, diagnostics);
    let identity = identity::read(arguments.identity.as_ref(), scope.as_deref(), &capabilities, &uses, diagnostics);
    let declared = Declared { callbacks, capabilities, uses: uses.clone(), identity };
    let service = head.map(|head| {
        let is_locked = package.lock.is_some();
        Service { is_locked, ..assemble(head, arguments, block, crate_path, declared) }
    });
    Found { service, handlers, uses }
}

/// What a block declares besides its head.
struct Declared {
    callbacks: Callbacks,
    capabilities: Vec<Capability>,
    uses: Vec<Use>,
    identity: Identity,
}

fn assemble(
    head: Head,
    arguments: &ServiceArguments,
    block: &Block,
    crate_path: &CratePath,
    declared: Declared,
) -> Service {
    let Declared { callbacks, capabilities, uses, identity } = declared;
    let text = |argument: &Option<Text>| argument.as_ref().map(|text| text.value.clone());
    Service {
        crate_path: crate_path.clone(),
        display_name: text(&arguments.display_name).unwrap_or_else(|| title_of(&head.name)),
        tenancy: text(&arguments.tenancy).unwrap_or_else(|| "realm".to_owned()),
        runs_on: text(&arguments.runs_on).unwrap_or_else(|| "infrastructure_node".to_owned()),
        image: text(&arguments.image),
        depends_on: arguments.depends_on.iter().flat_map(|names| &names.value).map(|name| name.value.clone()).collect(),
        name: head.name,
        version: head.version,
        description: head.description,
        scope: head.scope,
        health_port: head.health_port,
        volumes: head.volumes,
        license: head.license,
        repository: head.repository,
        callback_module: head.callback_module,
        self_type: block.self_type.clone(),
        settings: arguments.settings.clone(),
        callbacks,
        capabilities,
        uses,
        identity,
        is_locked: false,
    }
}
