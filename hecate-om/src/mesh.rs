//! The Macula mesh: the one module that knows its SDK.

pub(crate) mod link;
pub(crate) mod value;

/// The id of the realm of that name.
pub(crate) fn realm_id(name: &str) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(name.as_bytes()).into()
}
