//! The variables of the environment, and which of them are meant for this service.

use std::ffi::OsString;

use super::report::Report;
use super::setting;
use super::value::{Node, Origin, Value, shown};

/// The prefix of the runtime's variables.
const PREFIX: &str = "HECATE_";

/// The prefix of what any client of the mesh may be told: only what is nearly ours is meant for us.
const SHARED_PREFIX: &str = "MACULA_";

/// The variables of a process that have a name which is text.
pub(super) struct Environment(Vec<(String, Option<String>)>);

impl Environment {
    pub(super) fn new(variables: &[(OsString, OsString)]) -> Self {
        let named =
            |(name, value): &(OsString, OsString)| Some((name.to_str()?.to_owned(), value.to_str().map(str::to_owned)));
        Self(variables.iter().filter_map(named).collect())
    }

    /// A variable as it is set.
    pub(super) fn node(&self, name: &str) -> Option<Node> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        let value = value.clone().map_or(Value::NoText, Value::Text);
        Some(Node { value, origin: Origin::Environment(name.to_owned()) })
    }

    /// The text of a variable, if it is one and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        value.as_deref().filter(|value| !value.is_empty())
    }

    /// Tells of the variables with our prefix, and with that of the service, that nobody reads.
    pub(super) fn check_unknown(&self, service: &ServiceVariables<'_>, report: &mut Report) {
        for (name, value) in &self.0 {
            let value = value.as_deref().unwrap_or_default();
            let is_shared = name.starts_with(SHARED_PREFIX);
            let (known, nearness): (Vec<&str>, _) = if is_shared || name.starts_with(PREFIX) {
                (setting::ALL.iter().map(|setting| setting.variable).collect(), None)
            } else if let Some(prefix) = service.prefix.filter(|prefix| name.starts_with(prefix)) {
                (service.names.iter().map(String::as_str).collect(), Some(prefix.len()))
            } else {
                continue;
            };
            if known.contains(&name.as_str()) || is_service_link(name, value) {
                continue;
            }
            let near = known.iter().filter_map(|known| {
                // Of two short names one is always near the other.
                let most = nearness.map_or(2, |prefix| 2.min((known.len() - prefix) / 3));
                let distance = strsim::damerau_levenshtein(known, name);
                (distance <= most).then_some((distance, known))
            });
            match near.min() {
                Some((_, known)) => report.problem(shown(name), "is no setting", format!("did you mean {known}?")),
                None if is_shared => {}
                None => report.ignored(shown(name), "is no setting of this service", "unset it"),
            }
        }
    }
}

/// The variables of the service's own settings.
pub(super) struct ServiceVariables<'a> {
    /// `LIBRARY_`, if the service has settings that variables can hold.
    pub(super) prefix: Option<&'a str>,
    pub(super) names: &'a [String],
}

/// Whether Kubernetes or Docker set a variable to tell where another service is.
///
/// They do so for every service beside this one, and nobody asked for it: a service `hecate-health`
/// must not end this one by its `HECATE_HEALTH_PORT`.
pub(super) fn is_service_link(name: &str, value: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((_, rest)) = name.rsplit_once("_PORT_")
        && let Some((port, protocol)) = rest.split_once('_')
        && is_number(port)
    {
        let (protocol, part) = protocol.split_once('_').unwrap_or((protocol, ""));
        let is_protocol = ["TCP", "UDP", "SCTP"].contains(&protocol);
        return is_protocol && if part.is_empty() { is_link(value) } else { ["ADDR", "PORT", "PROTO"].contains(&part) };
    }
    // `.._PORT_80_TCP_PORT`: the last `_PORT_` is not the first.
    if let Some(whole) = ["_ADDR", "_PORT", "_PROTO"].iter().find_map(|part| name.strip_suffix(part))
        && ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| whole.ends_with(protocol))
        && whole.contains("_PORT_")
    {
        return true;
    }
    name.ends_with("_SERVICE_HOST")
        || (name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_")) && is_number(value)
        || name.ends_with("_PORT") && is_link(value)
}

/// What a link holds, whatever its name.
pub(super) fn is_link(value: &str) -> bool {
    ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_kubernetes_and_docker_are_known() {
        for (name, value) in [
            ("HECATE_HEALTH_PORT", "tcp://10.0.0.1:80"),
            ("HECATE_PORT", "udp://10.0.0.1:80"),
            ("HECATE_ECHO_SERVICE_HOST", "10.0.0.1"),
            ("HECATE_ECHO_SERVICE_PORT", "8470"),
            ("HECATE_ECHO_SERVICE_PORT_HTTP", "8470"),
            ("HECATE_ECHO_PORT_8470_TCP", "tcp://10.0.0.1:8470"),
            ("HECATE_ECHO_PORT_8470_TCP_ADDR", "10.0.0.1"),
            ("HECATE_ECHO_PORT_8470_TCP_PORT", "8470"),
            ("HECATE_ECHO_PORT_8470_UDP_PROTO", "udp"),
        ] {
            assert!(is_service_link(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("HECATE_HEALTH_PORT", "8470"),
            ("HECATE_HEALTH_ADR", "tcp://10.0.0.1:80"),
            ("HECATE_ECHO_SERVICE_PORT", "http"),
            ("HECATE_ECHO_PORT_X_TCP", "1"),
            ("HECATE_STOP_TIMEOT", "5s"),
        ] {
            assert!(!is_service_link(name, value), "{name}={value}");
        }
    }
}
