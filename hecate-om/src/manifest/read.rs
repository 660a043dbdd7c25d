//! What stands where in `hecate.manifest/1`, and the rules that span several values.
//!
//! All fields are read before any of them is needed, so that one wrong field hides no other.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::node::{Fields, Node};
use super::{Capability, Identity, Limits, Manifest, Ports, Rate, Use, Volumes, rules};

pub(super) fn manifest(document: Node<'_>) -> Option<Manifest> {
    document.object(|fields| {
        let schema = fields
            .get("schema")
            .text_where("`hecate.manifest/1`, the schema that this version reads", |schema| schema == rules::SCHEMA);
        let name = fields.get("name").text(&rules::NAME);
        let display_name = fields.get("display_name").any_text();
        let version = fields.get("version").text(&rules::VERSION);
        let description = fields.get("description").text(&rules::DESCRIPTION);
        let service_type = fields.get("service_type").word("`container_daemon`");
        let tenancy = fields.get("tenancy").text(&rules::SNAKE);
        let runs_on = fields.get("runs_on").text(&rules::SNAKE);
        let callback_module = fields.get("callback_module").text(&rules::CALLBACK_MODULE);
        let image = fields.get("image").optional(Node::any_text);
        let repository = fields.get("repository").optional(Node::any_text);
        let license = fields.get("license").optional(Node::any_text);
        let depends_on = fields.get("depends_on").list(|item| item.any_text());
        let scope = fields.get("scope").text(&rules::SNAKE);
        let mut declared = Declared::new();
        let capabilities = fields.get("capabilities").list(|item| capability(item, scope.as_deref(), &mut declared));
        let uses = fields.get("uses").optional(|uses| uses.list(used));
        let identity = identity(fields.get("identity"));
        let ports = ports(fields.get("ports"));
        let volumes = fields.get("volumes").optional(volumes);
        let min_om_version = fields.get("min_om_version").text(&rules::VERSION);

        let name = name?;
        Some(Manifest {
            schema: schema?,
            name: name.clone(),
            display_name: display_name?,
            version: version?,
            description: description?,
            service_type: service_type?,
            tenancy: tenancy?,
            runs_on: runs_on?,
            callback_module: callback_module?,
            image: image?,
            repository: repository?,
            license: license?,
            depends_on: depends_on?,
            scope: scope?,
            capabilities: capabilities?,
            uses: uses?.unwrap_or_default(),
            identity: identity?,
            ports: ports?,
            volumes: volumes?.unwrap_or_else(|| Volumes::of(&name)),
            min_om_version: min_om_version?,
        })
    })
}

/// Each name and version, with the place that declared it first.
type Declared = HashMap<(String, u16), String>;

fn capability(node: Node<'_>, scope: Option<&str>, declared: &mut Declared) -> Option<Capability> {
    node.object(|fields| {
        let name = fields.get("name").text(&rules::CAPABILITY_NAME);
        let version = fields.get("version").number(&rules::CAPABILITY_VERSION);
        let description = fields.get("description").any_text();
        let kind = fields.get("kind").word("`unary`, `server_stream`, `client_stream` or `bidi`");
        let access = fields.get("access").optional(|access| access.text(&rules::ACCESS));
        let timeout_ms = fields.get("timeout_ms").number(&rules::TIMEOUT_MS);
        let limits = fields.get("limits").optional(limits);
        let confidential = fields.get("confidential").optional(|word| word.word("`off`, `preferred` or `required`"));
        let idempotent = fields.get("idempotent").optional(Node::boolean);
        let cancel_on_disconnect = fields.get("cancel_on_disconnect").optional(Node::boolean);
        let deprecated = fields.get("deprecated").optional(Node::any_text);

        if let Some(name) = &name {
            check_scope(fields, name, scope);
            check_last_part(fields, name);
            if let Some(version) = version {
                check_unique(fields, name, version, declared);
            }
        }

        Some(Capability {
            name: name?,
            version: version?,
            description: description?,
            kind: kind?,
            access: access?.unwrap_or_else(|| rules::REALM.to_owned()),
            timeout_ms: timeout_ms?,
            limits: limits?.unwrap_or_default(),
            confidential: confidential?.unwrap_or_default(),
            idempotent: idempotent?.unwrap_or_default(),
            cancel_on_disconnect: cancel_on_disconnect?.unwrap_or_default(),
            deprecated: deprecated?,
        })
    })
}

fn check_scope(fields: &mut Fields<'_>, name: &str, scope: Option<&str>) {
    if let (Some((first, rest)), Some(scope)) = (name.split_once('.'), scope)
        && first != scope
    {
        let problem = format!("found `{name}`, which is outside the scope `{scope}`; write `{scope}.{rest}`");
        fields.report_at("name", problem);
    }
}

fn check_last_part(fields: &mut Fields<'_>, name: &str) {
    if let Some(last) = rules::reserved_last_part(name) {
        let problem = format!("found `{name}`; write another last part, since `{last}` is reserved");
        fields.report_at("name", problem);
    }
}

fn check_unique(fields: &mut Fields<'_>, name: &str, version: u16, declared: &mut Declared) {
    match declared.entry((name.to_owned(), version)) {
        Entry::Occupied(first) => fields.report(format!(
            "found `{name}` version {version}, as in `{}`; write another name or version",
            first.get()
        )),
        Entry::Vacant(vacant) => _ = vacant.insert(fields.place().to_string()),
    }
}

fn limits(node: Node<'_>) -> Option<Limits> {
    node.object(|fields| {
        let payload_bytes = fields.get("payload_bytes").number(&rules::MESSAGE_BYTES);
        let reply_bytes = fields.get("reply_bytes").number(&rules::MESSAGE_BYTES);
        let concurrency = fields.get("concurrency").number(&rules::CONCURRENCY);
        let per_caller = rate(fields.get("per_caller"));
        let total = rate(fields.get("total"));

        if let (Some(per_caller), Some(total)) = (per_caller, total)
            && !total.covers(per_caller)
        {
            let problem = format!("found {total}, which is below `per_caller`; write at least {per_caller}");
            fields.report_at("total", problem);
        }

        Some(Limits {
            payload_bytes: payload_bytes?,
            reply_bytes: reply_bytes?,
            concurrency: concurrency?,
            per_caller: per_caller?,
            total: total?,
        })
    })
}

fn rate(node: Node<'_>) -> Option<Rate> {
    node.object(|fields| {
        let calls = fields.get("calls").number(&rules::RATE_CALLS);
        let period_ms = fields.get("period_ms").number(&rules::RATE_PERIOD_MS);
        Some(Rate { calls: calls?, period_ms: period_ms? })
    })
}

/// By its type or by reference; what has parts of both is neither.
fn used(node: Node<'_>) -> Option<Use> {
    node.object(|fields| {
        if fields.has("type") {
            for other in ["capability", "version"] {
                if fields.has(other) {
                    fields.get(other);
                    fields.report_at(other, "found beside `type`; write one of them".to_owned());
                }
            }
            return fields.get("type").any_text().map(|type_name| Use::Service { type_name });
        }
        let capability = fields.get("capability").text(&rules::REFERENCE);
        let version = fields.get("version").number(&rules::CAPABILITY_VERSION);
        Some(Use::Capability { capability: capability?, version: version? })
    })
}

fn identity(node: Node<'_>) -> Option<Identity> {
    node.object(|fields| {
        let scope = fields.get("scope").text(&rules::SNAKE);
        let actions = fields.get("actions").list(|item| item.any_text());
        let resources = fields.get("resources").list(|item| item.any_text());
        let ttl_days = fields.get("ttl_days").number(&rules::TTL_DAYS);

        Some(Identity { scope: scope?, actions: actions?, resources: resources?, ttl_days: ttl_days? })
    })
}

fn ports(node: Node<'_>) -> Option<Ports> {
    node.object(|fields| {
        let health = fields.get("health").number(&rules::PORT);
        Some(Ports { health: health? })
    })
}

fn volumes(node: Node<'_>) -> Option<Volumes> {
    node.object(|fields| {
        let secrets = fields.get("secrets").text(&rules::VOLUME);
        let state = fields.get("state").text(&rules::VOLUME);
        let volumes = Volumes { secrets: secrets?, state: state? };
        if let Some((inner, outer)) = volumes.nested() {
            let problem = format!("found `{inner}` inside `{outer}`; write a folder of its own for each");
            fields.report(problem);
        }
        Some(volumes)
    })
}
