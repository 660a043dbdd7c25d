//! The name of a node on the mesh.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A node of the mesh: what its identity key hashes to, 32 bytes, written as 64 lower-case hex digits.
///
/// ```
/// use hecate_om::NodeId;
///
/// let node: NodeId = "0f".repeat(32).parse().unwrap();
/// assert_eq!(node.to_string(), "0f".repeat(32));
/// assert!("0f".parse::<NodeId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId([u8; 32]);

/// A text that names no node.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a node id is 64 hex digits")]
pub struct NotANodeId;

impl NodeId {
    /// The node of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for NodeId {
    type Err = NotANodeId;

    fn from_str(text: &str) -> Result<Self, NotANodeId> {
        let bytes = decode_hex(text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(NotANodeId)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

/// The bytes that pairs of hex digits stand for, of either case.
pub(crate) fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|&[high, low]| u8::try_from(digit(high)? * 16 + digit(low)?).ok()).collect()
}
