//! As what a service is known to its realm.

use std::collections::BTreeMap;

/// The names of a service, and of what it calls.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The service, `hecate-echo`.
    pub(crate) service: &'static str,
    /// Under what its capabilities are advertised.
    pub(crate) org: String,
    /// The box that it runs on.
    pub(crate) host: String,
    /// The orgs of services that are not found under their own names.
    pub(crate) peers: BTreeMap<String, String>,
}

impl Names {
    /// Those of a service on this box.
    pub(crate) fn new(service: &'static str, org: String, peers: BTreeMap<String, String>) -> Self {
        Self { service, org, host: host(), peers }
    }
}

/// What an operator knows this box by; an empty name would say nothing.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "unknown".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Of a service `hecate-parrot` in the org `zoo`, to which `hecate-echo` is known as `acme`.
    pub(in crate::identity) fn parrot() -> Names {
        let peers = BTreeMap::from([("hecate-echo".to_owned(), "acme".to_owned())]);
        Names { service: "hecate-parrot", org: "zoo".to_owned(), host: "attic".to_owned(), peers }
    }

    #[test]
    fn a_box_has_a_name() {
        let names = Names::new("hecate-parrot", "zoo".to_owned(), BTreeMap::new());
        assert!(!names.host.is_empty() && names.host.trim() == names.host, "{names:?}");
    }
}
