//! How clients learn at once that the station they were linked to is dead.
//!
//! The station that takes its place hears their next packets, knows nothing of their connections and says
//! so with a stateless reset (RFC 9000, 10.3). A client believes one only with a token that the dead station
//! gave it, so the tokens are derived from what stations of one box share: the key of their node. Without it
//! a client finds out when nothing has come for the idle time of its connection.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use macula_mldsa::Zeroizing;
use macula_rust::keystore::{KeyStore, KeyStoreError};
use macula_rust::node_key::NodeKey;
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig};
use sha2::{Digest, Sha256};

/// An endpoint whose resets clients of an earlier station with this key believe.
pub(crate) fn endpoint_config(node: &NodeKey) -> EndpointConfig {
    let mut config = EndpointConfig::default();
    let private = Private::default();
    // One that keeps its private part to itself costs its clients the wait, and nothing else.
    if node.save_to_keystore(&private).is_ok() {
        config.reset_key(Arc::new(ResetKey::derived_from(&private.bytes())));
    }
    // The default ones are told from others by a number that is drawn anew for each endpoint.
    config.cid_generator(|| Box::new(Ids));
    config
}

/// The private part of a key, on its way.
#[derive(Default)]
struct Private(Mutex<Zeroizing<Vec<u8>>>);

impl Private {
    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl KeyStore for Private {
    fn save_key(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Zeroizing::new(key.to_vec());
        Ok(())
    }

    fn load_key(&self) -> Result<Zeroizing<Vec<u8>>, KeyStoreError> {
        Err(KeyStoreError::NotFound)
    }

    fn delete_key(&self) -> Result<(), KeyStoreError> {
        Ok(())
    }
}

/// A key of HMAC-SHA256.
struct ResetKey(Zeroizing<[u8; 32]>);

impl ResetKey {
    fn derived_from(private: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(b"hecate-station-reset-v1\0").chain_update(private).finalize();
        Self(Zeroizing::new(digest.into()))
    }

    /// RFC 2104.
    fn tag(&self, data: &[u8]) -> [u8; 32] {
        let padded = |pad: u8| {
            let mut block = Zeroizing::new([pad; 64]);
            block.iter_mut().zip(self.0.iter()).for_each(|(byte, key)| *byte ^= key);
            Sha256::new().chain_update(*block)
        };
        let inner = padded(0x36).chain_update(data).finalize();
        padded(0x5c).chain_update(inner).finalize().into()
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.iter_mut().zip(self.tag(data)).for_each(|(byte, tag)| *byte = tag);
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let tag = self.tag(data);
        // No byte of it tells by time how far it was right.
        let differs = tag.iter().zip(signature).fold(0, |differs, (tag, byte)| differs | (tag ^ byte));
        (signature.len() == tag.len() && differs == 0).then_some(()).ok_or(CryptoError)
    }
}

/// Names of connections: eight bytes that nobody guesses by accident.
struct Ids;

const ID_LENGTH: usize = 8;

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        // Its keys come from the system.
        let id: [u8; ID_LENGTH] = RandomState::new().build_hasher().finish().to_be_bytes();
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        ID_LENGTH
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use macula_rust::profile::Profile;

    use super::*;

    fn key(seed: u8) -> ResetKey {
        ResetKey(Zeroizing::new([seed; 32]))
    }

    #[test]
    fn tags_are_those_of_hmac_sha256() {
        // RFC 4231, case 2: a short key counts as one with zeros behind it.
        let mut jefe = [0; 32];
        jefe[..4].copy_from_slice(b"Jefe");
        let tag = ResetKey(Zeroizing::new(jefe)).tag(b"what do ya want for nothing?");
        let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_tag_is_believed_whole_or_not_at_all() {
        let tag = key(1).tag(b"id");
        assert!(key(1).verify(b"id", &tag).is_ok());
        assert!(key(2).verify(b"id", &tag).is_err());
        assert!(key(1).verify(b"other", &tag).is_err());
        assert!(key(1).verify(b"id", &tag[..16]).is_err());
    }

    #[test]
    fn stations_of_one_node_share_a_key_and_others_do_not() {
        let derived = |node: &NodeKey| {
            let private = Private::default();
            node.save_to_keystore(&private).unwrap();
            *ResetKey::derived_from(&private.bytes()).0
        };
        let nodes = [0, 1].map(|_| NodeKey::generate_identity(Profile::PqPure, 0).unwrap());
        assert_eq!(derived(&nodes[0]), derived(&nodes[0]));
        assert_ne!(derived(&nodes[0]), derived(&nodes[1]));
    }
}
