//! How the clients of a station that died learn of it from the next one.
//!
//! A successor has the same key and listens on the same port, but knows none of the connections. QUIC has a word
//! for that, the stateless reset, which a client takes from who knows the secret that the connection began with.
//! Derived from the node's key, that secret is the same in both, so that a client's next packet, whatever it is,
//! ends its dead connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use macula_mldsa::ML_DSA_87;
use macula_rust::keystore::{KeyStore, KeyStoreError};
use macula_rust::node_key::{KeyFileError, NodeKey};
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig};
use sha2::{Digest, Sha256};

use crate::{StationError, clock};

const BLOCK: usize = 64;

/// An endpoint whose resets are good for those of each other station with this key.
pub(crate) fn endpoint_config(key: &NodeKey) -> Result<EndpointConfig, StationError> {
    let mut config = EndpointConfig::new(Arc::new(Secret(unguessable(derived(key, "stateless reset"))?)));
    // Of the default ones, those that another endpoint made are.
    config.cid_generator(|| Box::new(AnyId));
    Ok(config)
}

/// The secret, or where there is none another one: with what anybody knows, anybody could end a connection.
fn unguessable(derived: Result<[u8; 32], KeyFileError>) -> Result<[u8; 32], StationError> {
    match derived {
        Ok(secret) => Ok(secret),
        Err(error) => {
            tracing::warn!(%error, "clients of this station will not learn from the next one that it is gone");
            let drawn = macula_mldsa::key_gen_seed(ML_DSA_87);
            drawn.map(|(_, seed)| *seed).map_err(|error| StationError::Certificate(format!("{error:?}")))
        }
    }
}

/// Connection ids that are told apart by nothing, so that none is dropped unread.
struct AnyId;

impl ConnectionIdGenerator for AnyId {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&clock::number())
    }

    fn cid_len(&self) -> usize {
        clock::number().len()
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// 32 bytes that only who has the node's key can find, for one use.
fn derived(key: &NodeKey, usage: &str) -> Result<[u8; 32], KeyFileError> {
    let digest = Digested { usage, digest: Mutex::new([0; 32]) };
    key.save_to_keystore(&digest)?;
    Ok(digest.digest.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// A place that takes a key and keeps its digest.
struct Digested<'a> {
    usage: &'a str,
    digest: Mutex<[u8; 32]>,
}

impl KeyStore for Digested<'_> {
    fn save_key(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        let digest = hmac(key, format!("hecate-om-station {}", self.usage).as_bytes());
        *self.digest.lock().unwrap_or_else(PoisonError::into_inner) = digest;
        Ok(())
    }

    fn load_key(&self) -> Result<macula_mldsa::Zeroizing<Vec<u8>>, KeyStoreError> {
        Err(KeyStoreError::NotFound)
    }

    fn delete_key(&self) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::NotFound)
    }
}

struct Secret([u8; 32]);

impl HmacKey for Secret {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(&hmac(&self.0, data));
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let expected = hmac(&self.0, data);
        let differs = expected.iter().zip(signature).fold(0, |differs, (one, other)| differs | (one ^ other));
        (signature.len() == expected.len() && differs == 0).then_some(()).ok_or(CryptoError)
    }
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut block = [0; BLOCK];
    match key.len() <= BLOCK {
        true => block[..key.len()].copy_from_slice(key),
        false => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(data).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use macula_rust::profile::Profile;

    use super::*;

    /// RFC 4231, test cases 2 and 6.
    #[test]
    fn the_code_is_that_of_the_rfc() {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_secret_is_of_one_key_and_for_one_use() {
        let [key, other] = [(); 2].map(|()| NodeKey::generate_identity(Profile::PqPure, 0).unwrap());
        let derived = |key, usage| derived(key, usage).unwrap();
        assert_eq!(derived(&key, "a"), derived(&key, "a"));
        assert_ne!(derived(&key, "a"), derived(&key, "b"));
        assert_ne!(derived(&key, "a"), derived(&other, "a"));
        assert_eq!(unguessable(Ok([3; 32])).unwrap(), [3; 32]);
    }

    /// With a secret of zeros anybody could forge a reset.
    #[test]
    fn a_key_that_gives_no_secret_leaves_one_that_nobody_knows() {
        let [one, other] = [(); 2].map(|()| unguessable(Err(KeyFileError::KeyStore(KeyStoreError::NotFound))).unwrap());
        assert_ne!(one, other);
        assert!(one != [0; 32] && other != [0; 32]);
    }
}
