//! The development realm: which orgs there are, and which tokens are made out.
//!
//! It admits every service of this box, so an org is whoever claims it first, and everyone after: several
//! instances of a service share theirs. One key speaks for all orgs, the realm's own; an org exists once it is
//! claimed, and from then on every connected node may serve under it.

mod token;

use macula_rust::cbor::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::sync::watch;

use crate::error::StationError;
use crate::wire::Id;

pub(crate) use token::{Asked, mint};

/// The longest name of a realm, and of an org.
const REALM_BYTES: usize = 128;
const ORG_BYTES: usize = 64;

/// The development realm.
pub(crate) struct Realm {
    id: Id,
    name: String,
    most: usize,
    /// In order.
    orgs: watch::Sender<Vec<String>>,
}

/// Why the realm does not do what it was asked to. The words travel to who asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum NotDone {
    #[error("not_admitted")]
    NotAdmitted,
    #[error("invalid_org: `{0}` cannot name an org: a-z, 0-9, `.`, `-` and `_`, 64 bytes at most")]
    InvalidOrg(String),
    #[error("too_many_orgs: this realm has as many as it takes")]
    TooManyOrgs,
    #[error("invalid_request: `{0}` is missing, or not what it should be")]
    InvalidRequest(&'static str),
    #[error("invalid_action: `{0}`")]
    InvalidAction(String),
    #[error("the realm cannot sign a token")]
    Unsigned,
}

impl Realm {
    pub(crate) fn new(name: String, admitted: Vec<String>, most: usize) -> Result<Self, StationError> {
        if name.len() > REALM_BYTES || !name.split('.').all(|segment| is_word(segment, "-_")) {
            return Err(StationError::RealmName(name));
        }
        let id = Sha256::digest(name.as_bytes()).into();
        let realm = Self { id, name, most, orgs: watch::Sender::default() };
        for org in &admitted {
            // Of what was admitted once, what is not taken is left out.
            if let Err(error) = realm.admit(org) {
                tracing::warn!(%org, %error, "an org that was admitted before is not");
            }
        }
        Ok(realm)
    }

    pub(crate) fn id(&self) -> Id {
        self.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Admits an org.
    pub(crate) fn admit(&self, org: &str) -> Result<(), NotDone> {
        // The realm's own procedures are under its name.
        if org.len() > ORG_BYTES || !is_word(org, ".-_") || org.starts_with('_') || org == self.name {
            return Err(NotDone::InvalidOrg(org.chars().take(ORG_BYTES).collect()));
        }
        let mut admitted = Ok(());
        self.orgs.send_if_modified(|orgs| match orgs.binary_search_by(|other| other.as_str().cmp(org)) {
            Ok(_) => false,
            Err(_) if orgs.len() >= self.most => {
                admitted = Err(NotDone::TooManyOrgs);
                false
            }
            Err(at) => {
                orgs.insert(at, org.to_owned());
                true
            }
        });
        admitted
    }

    pub(crate) fn has(&self, org: &str) -> bool {
        self.orgs.borrow().binary_search_by(|other| other.as_str().cmp(org)).is_ok()
    }

    pub(crate) fn orgs(&self) -> watch::Receiver<Vec<String>> {
        self.orgs.subscribe()
    }
}

/// Whether a text is of lower-case letters, digits and some others, and not empty.
fn is_word(text: &str, others: &str) -> bool {
    let is_taken = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || others.as_bytes().contains(&byte);
    !text.is_empty() && text.bytes().all(is_taken)
}

/// A text of a request.
pub(crate) fn text<'a>(payload: &'a Value, name: &'static str) -> Result<&'a str, NotDone> {
    match payload.get(name) {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(NotDone::InvalidRequest(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orgs_are_admitted_once_kept_in_order_and_bounded() {
        let realm = Realm::new("hecate.local".to_owned(), vec!["zebra".to_owned(), "No".to_owned()], 3).unwrap();
        let orgs = realm.orgs();
        for org in ["acme", "hecate-echo", "acme", "zebra"] {
            realm.admit(org).unwrap();
        }
        assert_eq!(*orgs.borrow(), ["acme", "hecate-echo", "zebra"]);
        assert_eq!(realm.admit("one-more"), Err(NotDone::TooManyOrgs));
        assert!(realm.has("zebra") && !realm.has("one-more"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let realm = Realm::new("hecate.local".to_owned(), Vec::new(), 100).unwrap();
        for org in ["", "Acme", "a/b", "~0f", "_", "_realm", "ä", "hecate.local", &"a".repeat(65)] {
            assert!(matches!(realm.admit(org), Err(NotDone::InvalidOrg(_))), "{org}");
        }
        for name in ["", "Hecate", "a..b", ".a", "a/b", &"a".repeat(129)] {
            assert!(matches!(Realm::new(name.to_owned(), Vec::new(), 1), Err(StationError::RealmName(_))), "{name}");
        }
    }
}
