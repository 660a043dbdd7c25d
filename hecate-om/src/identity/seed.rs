//! A node key from the bytes of its file.
//!
//! The SDK reads a key file by its path and takes only one with mode 0600. A secret that a container
//! engine mounts looks different, and it has been opened and judged already; so its bytes go in by the
//! SDK's other door, that of key stores, in the form of those: the same without the public keys.

use macula_rust::keystore::{KeyStore, KeyStoreError};
use macula_rust::node_key::{KeyFileError, NodeKey, Purpose};
use macula_rust::profile::Profile;
use zeroize::Zeroizing;

/// How a key file begins, and how the same key begins in a key store.
const IN_A_FILE: &[u8] = b"macula-node-key-seed-v1\0";
const IN_A_STORE: &[u8] = b"macula-node-key-private-v1\0";

/// Purpose, profile and number of halves.
const HEAD: usize = 3;

/// The identity key that a file of these bytes is.
///
/// # Errors
/// Those of a key file that the SDK reads.
pub(super) fn identity_of(file: &[u8], profile: Profile) -> Result<NodeKey, KeyFileError> {
    let (private, public) = split(file).ok_or(KeyFileError::BadKeyFile)?;
    let key = NodeKey::load_from_keystore(&Read(private), Purpose::Identity, profile)?;
    // The store's form has no public keys, so the SDK could not compare them.
    if key.public_key() == public { Ok(key) } else { Err(KeyFileError::PublicKeyMismatch) }
}

/// The form of key stores, and the public keys that it leaves out.
fn split(file: &[u8]) -> Option<(Zeroizing<Vec<u8>>, Vec<u8>)> {
    let (head, mut halves) = file.strip_prefix(IN_A_FILE)?.split_at_checked(HEAD)?;
    // All of it from the start: to grow would leave copies behind.
    let mut private = Zeroizing::new(Vec::with_capacity(IN_A_STORE.len() + file.len()));
    let mut public = Vec::new();
    private.extend_from_slice(IN_A_STORE);
    private.extend_from_slice(head);
    while let Some((algorithm, rest)) = halves.split_first() {
        let (public_half, rest) = counted(rest)?;
        let (private_half, rest) = counted(rest)?;
        public.extend_from_slice(public_half);
        private.push(*algorithm);
        private.extend_from_slice(&[0; 4]);
        private.extend_from_slice(&u32::try_from(private_half.len()).ok()?.to_be_bytes());
        private.extend_from_slice(private_half);
        halves = rest;
    }
    Some((private, public))
}

/// Bytes that their number stands before, and what comes after them.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// A key store that holds what was read, and no more than that.
struct Read(Zeroizing<Vec<u8>>);

impl KeyStore for Read {
    fn save_key(&self, _: &[u8]) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::NotFound)
    }

    fn load_key(&self) -> Result<Zeroizing<Vec<u8>>, KeyStoreError> {
        Ok(self.0.clone())
    }

    fn delete_key(&self) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of the SDK's and the file that the SDK writes of it.
    fn written(purpose: Purpose, profile: Profile) -> (NodeKey, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let key = NodeKey::generate(purpose, profile).unwrap();
        key.save(&path).unwrap();
        (key, std::fs::read(&path).unwrap())
    }

    #[test]
    fn a_file_of_the_sdk_is_the_key_that_it_was_written_from() {
        for profile in [Profile::PqPure, Profile::PqHybrid] {
            let (key, file) = written(Purpose::Identity, profile);
            assert_eq!(identity_of(&file, profile).unwrap().node_id(), key.node_id(), "{profile}");
        }
    }

    #[test]
    fn a_file_that_is_cut_or_changed_anywhere_is_refused() {
        let (key, file) = written(Purpose::Identity, Profile::PqPure);
        for length in (0..file.len()).step_by(97).chain([file.len() - 1]) {
            let refused = identity_of(&file[..length], Profile::PqPure);
            assert!(matches!(refused, Err(KeyFileError::BadKeyFile)), "{length}: {refused:?}");
        }
        for place in (0..file.len()).step_by(131).chain(0..36).chain([file.len() - 1]) {
            let mut changed = file.clone();
            changed[place] ^= 1;
            let refused = identity_of(&changed, Profile::PqPure).expect_err(&format!("byte {place}"));
            assert!(!format!("{refused:?} {refused}").contains(&format!("{:?}", &file[file.len() - 32..])));
        }
        let mut longer = file.clone();
        longer.push(0);
        assert!(identity_of(&longer, Profile::PqPure).is_err());
        assert_eq!(identity_of(&file, Profile::PqPure).unwrap().node_id(), key.node_id(), "the file itself is fine");
    }

    #[test]
    fn a_key_of_another_purpose_or_profile_is_told_as_that() {
        let (_, file) = written(Purpose::Connect, Profile::PqPure);
        let refused = identity_of(&file, Profile::PqPure).unwrap_err();
        assert!(matches!(refused, KeyFileError::WrongPurpose(Purpose::Connect)), "{refused:?}");
        let (_, file) = written(Purpose::Identity, Profile::PqPure);
        let refused = identity_of(&file, Profile::PqHybrid).unwrap_err();
        assert!(matches!(refused, KeyFileError::WrongProfile(Profile::PqPure)), "{refused:?}");
    }
}
