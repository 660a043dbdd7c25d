//! What a node of the mesh says of itself.

use crate::node_id::NodeId;

/// A service that announced what it offers: heard within the last two minutes, and not asked since.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Announced {
    /// The node, whose signature the announcement bore.
    pub node: NodeId,
    /// The org that it says it serves. Only an advertisement, with the realm's permission, proves that.
    pub org: String,
    /// The name of the service, `hecate-echo`, as it says.
    pub service: String,
}
