//! What a service is told of the mesh.

use std::collections::BTreeMap;

use crate::node_id::NodeId;

/// How a service is on the mesh.
#[derive(Debug, Clone)]
pub(crate) struct MeshConfig {
    pub(crate) mode: MeshMode,
    /// Under what its capabilities are advertised.
    pub(crate) org: String,
    /// The realm, with the key that what is found there is trusted by.
    pub(crate) realm: Option<Realm>,
    /// The orgs of services that are not found under their own names.
    pub(crate) peers: BTreeMap<String, String>,
    pub(crate) resolve: Resolve,
    pub(crate) profile: CryptoProfile,
    /// The stations to dial; none for the development station of this box.
    pub(crate) stations: Vec<Station>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Realm {
    /// SHA-256 of its name.
    pub(crate) id: [u8; 32],
    /// Unknown where only the id was configured.
    pub(crate) name: Option<String>,
    /// Its public key, as it is carried.
    pub(crate) key: Vec<u8>,
}

/// A station to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Station {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What it must prove to be.
    pub(crate) node: NodeId,
}
