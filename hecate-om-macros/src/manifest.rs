//! The text of `manifest.json`, made from a checked service. `hecate_om::manifest` reads it.

use crate::json::Json;
use crate::model::{Capability, Confidential, LIMITS, Limits, Rate, Service, Use, Volumes};
use crate::validate::types::compact;

/// A manifest and the service that it is of.
#[derive(Debug, Clone)]
pub(crate) struct ManifestText {
    pub(crate) service: String,
    pub(crate) text: String,
}

impl ManifestText {
    pub(crate) fn of(service: &Service) -> Self {
        let text = document(service).pretty() + "\n";
        Self { service: service.name.clone(), text }
    }
}

fn document(service: &Service) -> Json {
    let mut members: Vec<(&'static str, Json)> = vec![
        ("schema", "hecate.manifest/1".into()),
        ("name", service.name.as_str().into()),
        ("display_name", service.display_name.as_str().into()),
        ("version", service.version.as_str().into()),
        ("description", service.description.as_str().into()),
        ("service_type", "container_daemon".into()),
        ("tenancy", service.tenancy.as_str().into()),
        ("runs_on", service.runs_on.as_str().into()),
        ("callback_module", service.callback_module.as_str().into()),
    ];
    let optional = [("image", &service.image), ("repository", &service.repository), ("license", &service.license)];
    members.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?.into()))));
    members.extend([
        ("depends_on", service.depends_on.as_slice().into()),
        ("scope", service.scope.as_str().into()),
        ("capabilities", Json::List(service.capabilities.iter().map(capability).collect())),
        ("uses", Json::List(service.uses.iter().map(used).collect())),
        ("identity", identity(service)),
        ("ports", Json::Object(vec![("health", u64::from(service.health_port).into())])),
        ("volumes", volumes(&service.volumes)),
        ("min_om_version", env!("CARGO_PKG_VERSION").into()),
    ]);
    Json::Object(members)
}

fn capability(capability: &Capability) -> Json {
    let mut members: Vec<(&'static str, Json)> = vec![
        ("name", capability.name.as_str().into()),
        ("version", u64::from(capability.version).into()),
        ("description", capability.description.as_str().into()),
        ("kind", capability.handler.kind().to_string().as_str().into()),
        ("access", capability.access.to_string().as_str().into()),
        ("timeout_ms", capability.timeout_ms.into()),
    ];
    // What is as ever is left out: it would be most of a manifest.
    members.extend((capability.limits != LIMITS).then(|| ("limits", limits(&capability.limits))));
    let confidential = Some(capability.confidential).filter(|confidential| *confidential != Confidential::Preferred);
    members.extend(confidential.map(|confidential| ("confidential", confidential.to_string().as_str().into())));
    members.extend(capability.is_idempotent.then_some(("idempotent", Json::Boolean(true))));
    let is_cancelled = capability.is_cancelled_on_disconnect;
    members.extend(is_cancelled.then_some(("cancel_on_disconnect", Json::Boolean(true))));
    members.extend(capability.deprecated.as_deref().map(|why| ("deprecated", why.into())));
    Json::Object(members)
}

/// All of them, where any is not the default.
fn limits(limits: &Limits) -> Json {
    let number = |number: u32| Json::Number(u64::from(number));
    let rate = |rate: Rate| Json::Object(vec![("calls", number(rate.calls)), ("period_ms", number(rate.period_ms))]);
    Json::Object(vec![
        ("payload_bytes", number(limits.payload)),
        ("reply_bytes", number(limits.reply)),
        ("concurrency", number(limits.concurrency)),
        ("per_caller", rate(limits.per_caller)),
        ("total", rate(limits.total)),
    ])
}

/// A service by the type that stands there: what it is called, tokens do not know.
fn used(used: &Use) -> Json {
    Json::Object(match used {
        Use::Service(ty) => vec![("type", compact(ty).as_str().into())],
        Use::Capability { reference, version } => {
            vec![("capability", reference.to_string().as_str().into()), ("version", u64::from(*version).into())]
        }
    })
}

fn volumes(volumes: &Volumes) -> Json {
    Json::Object(vec![("secrets", volumes.secrets.as_str().into()), ("state", volumes.state.as_str().into())])
}

fn identity(service: &Service) -> Json {
    Json::Object(vec![
        ("scope", service.scope.as_str().into()),
        ("actions", service.identity.actions.as_slice().into()),
        ("resources", service.identity.resources.as_slice().into()),
        ("ttl_days", u64::from(service.identity.ttl_days).into()),
    ])
}
