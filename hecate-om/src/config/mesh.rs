//! What a service is told of the mesh.

use std::collections::BTreeMap;
use std::fmt;

use super::listing::Listed;
use super::reader::{Reader, Said};
use super::setting::{self, Setting};
use super::value::Origin;
use crate::name::is_name;
use crate::node_id::{NodeId, decode_hex};

/// The port of a station where none is written.
const STATION_PORT: u16 = 4433;

/// How many stations are dialed at most: the SDK's own bound.
const MAX_STATIONS: usize = 16;

/// How many services may have an org that is not their name.
const MAX_PEERS: usize = 256;

/// The longest key of a realm, in bytes: both halves of a hybrid one are 3,118.
const MAX_KEY: usize = 8 * 1024;

/// How a service is on the mesh.
#[derive(Debug, Clone)]
pub(crate) struct MeshConfig {
    pub(crate) mode: MeshMode,
    /// Whether somebody chose the mode.
    pub(crate) is_chosen: bool,
    /// Under what its capabilities are advertised.
    pub(crate) org: String,
    /// The realm of the stations that are set.
    pub(crate) realm: Option<Realm>,
    /// The orgs of services that are not found under their own names.
    pub(crate) peers: BTreeMap<String, String>,
    pub(crate) resolve: Resolve,
    pub(crate) profile: CryptoProfile,
    /// The stations to dial; none for the development station of this box.
    pub(crate) stations: Vec<Station>,
}

/// For people: where the service will be found.
impl fmt::Display for MeshConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (org, stations) = (&self.org, self.stations.len());
        match (self.mode, stations) {
            (MeshMode::Off, _) => f.write_str("off"),
            _ if !cfg!(feature = "macula") => f.write_str("not built in"),
            (_, 0) => write!(f, "as {org}, on the development mesh of this box"),
            (_, 1) => write!(f, "as {org}, by one station"),
            _ => write!(f, "as {org}, by {stations} stations"),
        }
    }
}

/// Whether a service is on the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MeshMode {
    /// With the stations that are set, else with the development station of this box.
    Auto,
    /// Only with stations that are set.
    Required,
    Off,
}

/// Where calls look for a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolve {
    /// In this process, on this box, on the mesh, in that order.
    Nearest,
    /// On the mesh only.
    Mesh,
}

/// With which keys nodes sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CryptoProfile {
    /// ML-DSA-87.
    PqPure,
    /// ML-DSA-87 and RSA-PSS-4096.
    PqHybrid,
}

/// A realm.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Realm {
    /// SHA-256 of its name.
    pub(crate) id: [u8; 32],
    /// Unknown where only the id was configured.
    pub(crate) name: Option<String>,
    /// Its public key, as it is carried.
    pub(crate) key: Vec<u8>,
}

/// Without the key: it has thousands of bytes.
impl fmt::Debug for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realm").field("id", &NodeId::from_bytes(self.id)).field("name", &self.name).finish()
    }
}

/// A station to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Station {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What it must prove to be.
    pub(crate) node: NodeId,
}

impl Reader<'_> {
    /// The settings of the mesh; none when something is wrong with one.
    pub(super) fn mesh(&mut self) -> Option<MeshConfig> {
        let mode = self.read(&setting::MESH, |text| match text {
            "auto" => Some(MeshMode::Auto),
            "required" => Some(MeshMode::Required),
            "off" => Some(MeshMode::Off),
            _ => None,
        });
        let is_chosen = matches!(mode, Said::Value(..));
        let mode = self.or_default(mode, &setting::MESH, "auto", MeshMode::Auto);
        let service = self.info.name;
        let org = self.read(&setting::ORG, |text| is_name(text).then(|| text.to_owned()));
        let org = self.or_default(org, &setting::ORG, service, service.to_owned());
        let profile = self.read(&setting::PROFILE, |text| match text {
            "pq_pure" => Some(CryptoProfile::PqPure),
            "pq_hybrid" => Some(CryptoProfile::PqHybrid),
            _ => None,
        });
        let profile = self.or_default(profile, &setting::PROFILE, "pq_pure", CryptoProfile::PqPure);
        let resolve = self.read(&setting::RESOLVE, |text| match text {
            "nearest" => Some(Resolve::Nearest),
            "mesh" => Some(Resolve::Mesh),
            _ => None,
        });
        let resolve = self.or_default(resolve, &setting::RESOLVE, "nearest", Resolve::Nearest);
        let (id, key) = (self.optional(&setting::REALM, realm), self.optional(&setting::REALM_KEY, realm_key));
        let seeds = self.optional(&setting::STATION_SEEDS, seeds);
        let nodes = self.optional(&setting::STATION_NODE_IDS, node_ids);
        let peers = self.optional(&setting::PEERS, peers).value().unwrap_or_default();
        if mode == MeshMode::Required && !cfg!(feature = "macula") {
            let place = self.place(&setting::MESH);
            self.report.problem(place, "is `required`, and this program was built without the mesh", LEAN);
        }
        let stations = self.stations(mode, seeds, nodes, &id, &key);
        let realm = id.value().zip(key.value()).map(|((id, name), key)| Realm { id, name, key });
        Some(MeshConfig { mode, is_chosen, org, realm, peers, resolve, profile, stations: stations? })
    }

    /// Reads a setting that need not be set.
    fn optional<T>(&mut self, setting: &'static Setting, parse: impl Fn(&str) -> Option<T>) -> Said<T> {
        let said = self.read(setting, parse);
        if is_unset(&said) {
            self.list(setting, "none", Origin::Default);
        }
        said
    }

    /// The stations with what each must prove to be. What goes together is set together: stations without a
    /// realm would be dialed for nothing, and a realm without stations is on no mesh.
    fn stations<R, K>(
        &mut self,
        mode: MeshMode,
        seeds: Said<Vec<(String, u16)>>,
        nodes: Said<Vec<NodeId>>,
        realm: &Said<R>,
        key: &Said<K>,
    ) -> Option<Vec<Station>> {
        let unset: Vec<&'static Setting> = [
            (is_unset(&seeds), &setting::STATION_SEEDS),
            (is_unset(&nodes), &setting::STATION_NODE_IDS),
            (is_unset(realm), &setting::REALM),
            (is_unset(key), &setting::REALM_KEY),
        ]
        .into_iter()
        .filter_map(|(is_unset, setting)| is_unset.then_some(setting))
        .collect();
        if mode != MeshMode::Off && (mode == MeshMode::Required || unset.len() < 4) {
            let why = match mode {
                MeshMode::Required => format!("{} is `required`", self.place(&setting::MESH)),
                _ => "other settings of the mesh are set".to_owned(),
            };
            for setting in unset {
                let help = format!("give it {}", setting.takes);
                self.report.problem(setting.variable, format!("is not set, and {why}"), help);
            }
        }
        let (Said::Value(seeds, _), Said::Value(nodes, _)) = (seeds, nodes) else { return Some(Vec::new()) };
        if seeds.len() != nodes.len() {
            let found = format!("holds {} node ids for {} stations", nodes.len(), seeds.len());
            let place = self.place(&setting::STATION_NODE_IDS);
            self.report.problem(place, found, "give it one for each station, in their order");
            return None;
        }
        Some(seeds.into_iter().zip(nodes).map(|((host, port), node)| Station { host, port, node }).collect())
    }

    /// What a report calls a setting: where it was set, if it was.
    fn place(&self, setting: &Setting) -> String {
        let set = |listed: &&Listed| listed.key == setting.key && !matches!(listed.origin, Origin::Default);
        let listed = self.listed.iter().find(set);
        listed.map_or_else(|| setting.variable.to_owned(), |listed| listed.origin.naming(setting.key))
    }
}

const LEAN: &str = "build it with the feature `macula` of hecate-om, or set `off`";

fn is_unset<T>(said: &Said<T>) -> bool {
    matches!(said, Said::Nothing)
}

/// The parts between commas; none when there are too many, or one is empty.
fn listed<T>(text: &str, most: usize, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    (parts.len() <= most).then(|| parts.into_iter().map(parse).collect())?
}

fn seeds(text: &str) -> Option<Vec<(String, u16)>> {
    listed(text, MAX_STATIONS, seed)
}

/// `host`, `host:port`, `[address]` or `[address]:port`. A bare IPv6 address is none of them: nobody could
/// tell where it ends.
fn seed(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            let _: std::net::Ipv6Addr = address.parse().ok()?;
            (address, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_host = !host.is_empty() && host.len() <= 253 && host.bytes().all(|byte| byte.is_ascii_graphic());
    let port = port.map_or(Some(STATION_PORT), |port| port.parse().ok().filter(|port| *port > 0))?;
    is_host.then(|| (host.to_owned(), port))
}

fn node_ids(text: &str) -> Option<Vec<NodeId>> {
    listed(text, MAX_STATIONS, |text| text.parse().ok())
}

/// An id, or a name as the mesh writes them, whose SHA-256 the id is.
fn realm(text: &str) -> Option<([u8; 32], Option<String>)> {
    if let Ok(id) = text.parse::<NodeId>() {
        return Some((*id.as_bytes(), None));
    }
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let is_name = text.len() <= 253 && text.split('.').all(|part| !part.is_empty() && part.bytes().all(fits));
    // What has only hex digits was meant as an id.
    let is_hex = text.len() > 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_name && !is_hex).then(|| (realm_id(text), Some(text.to_owned())))
}

/// The id of a realm of that name.
#[cfg(feature = "macula")]
fn realm_id(name: &str) -> [u8; 32] {
    crate::mesh::realm_id(name)
}

/// Nobody asks for it.
#[cfg(not(feature = "macula"))]
fn realm_id(_name: &str) -> [u8; 32] {
    [0; 32]
}

fn realm_key(text: &str) -> Option<Vec<u8>> {
    decode_hex(text).filter(|key| !key.is_empty() && key.len() <= MAX_KEY)
}

fn peers(text: &str) -> Option<BTreeMap<String, String>> {
    let pair = |text: &str| {
        let (service, org) = text.split_once('=')?;
        let (service, org) = (service.trim(), org.trim());
        (is_name(service) && is_name(org)).then(|| (service.to_owned(), org.to_owned()))
    };
    let pairs = listed(text, MAX_PEERS, pair)?;
    let (count, peers) = (pairs.len(), pairs.into_iter().collect::<BTreeMap<_, _>>());
    (peers.len() == count).then_some(peers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stations_are_hosts_with_ports_and_ipv6_has_brackets() {
        let host = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(seed("station.example"), host("station.example", 4433));
        assert_eq!(seed("127.0.0.1:9000"), host("127.0.0.1", 9000));
        assert_eq!(seed("[::1]"), host("::1", 4433));
        assert_eq!(seed("[fd00::2]:9000"), host("fd00::2", 9000));
        for wrong in
            ["", "::1", "fd00::2:9000", "[::1", "[::1]9000", "[host]:1", "host:", "host:0", "host:70000", "a b"]
        {
            assert_eq!(seed(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_realm_is_a_name_or_an_id() {
        assert_eq!(realm(&"0A".repeat(32)), Some(([10; 32], None)));
        let (_, name) = realm("io.example").unwrap();
        assert_eq!(name.as_deref(), Some("io.example"));
        for wrong in ["", "io..example", "Io.example", "${HECATE_REALM}", "io/example", &"ab".repeat(31)] {
            assert_eq!(realm(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_peer_has_one_org() {
        assert_eq!(peers("hecate-echo=acme, hecate-rag = lab").unwrap()["hecate-rag"], "lab");
        for wrong in ["hecate-echo", "hecate-echo=", "=acme", "a=b,a=c", "a=b,"] {
            assert_eq!(peers(wrong), None, "{wrong:?}");
        }
    }
}
