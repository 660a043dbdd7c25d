//! The Macula mesh: with `identity`, the part of this crate that knows its SDK.

pub(crate) mod access;
pub(crate) mod advertise;
pub(crate) mod announce;
mod development;
pub(crate) mod guest;
pub(crate) mod link;
pub(crate) mod metadata;
pub(crate) mod outbound;
pub(crate) mod presence;
mod refusal;
mod serve;
pub(crate) mod stream;
mod system;
pub(crate) mod value;
mod watch;

/// The id of the realm of that name.
pub(crate) fn realm_id(name: &str) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(name.as_bytes()).into()
}

/// What a capability is called on the wire.
pub(crate) fn procedure(org: &str, name: &str, version: u16) -> String {
    format!("{org}/{name}_v{version}")
}
