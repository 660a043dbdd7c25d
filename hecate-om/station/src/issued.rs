//! The records that the station signs itself: where it is dialled, its realm's directory and delegations, and the
//! advertisements of the realm's procedures.
//!
//! They are made when somebody asks for them and made anew once half of their life is over, so that who asks
//! always has time left, after however long a sleep. Nothing has to remember to renew them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use macula_rust::cbor::{self, Value};
use macula_rust::node_key::{NodeKey, key_id_of};
use macula_rust::record::{self, Authorization, LIFETIME_CLASS_MAX_MS, RecordType};
use macula_rust::signed_object;

use crate::clock;
use crate::error::StationError;
use crate::wire::{Id, entry, id_value};

/// What the SDK signs records under; it signs none of a realm's.
const LABEL: &str = "MACULA-PQ-RECORD-V1";
/// The longest that a row of the wire's table of lifetimes lets a record live.
const DELEGATION_ROW: u8 = 1;
const DIRECTORY_ROW: u8 = 2;

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Where this station is dialled.
    Endpoint,
    /// That the realm's own key speaks for an org.
    Directory { org: String },
    /// That a node may serve what is under an org that the realm's key speaks for.
    Delegation { node: Id },
    /// That the station answers a procedure of the realm.
    Procedure { name: String },
}

/// The records that the station signs itself.
pub(crate) struct Issued {
    node: Arc<NodeKey>,
    node_id: Id,
    realm: Arc<NodeKey>,
    realm_id: Id,
    realm_name: String,
    port: u16,
    host: String,
    records: Mutex<HashMap<Id, Entry>>,
}

struct Entry {
    subject: Subject,
    record: Option<Record>,
}

#[derive(Clone)]
struct Record {
    wire: Bytes,
    made: u64,
    expires: u64,
}

impl Record {
    /// Whether more than half of its life is left, by a clock that may have been set.
    fn is_fresh(&self, now: u64) -> bool {
        (self.made..self.made + (self.expires - self.made) / 2).contains(&now)
    }
}

impl Issued {
    pub(crate) fn new(
        keys: &crate::Keys,
        realm: (Id, &str),
        address: std::net::SocketAddr,
    ) -> Result<Self, StationError> {
        Ok(Self {
            node: keys.node.clone(),
            node_id: keys.node.node_id()?,
            realm: keys.realm.clone(),
            realm_id: realm.0,
            realm_name: realm.1.to_owned(),
            port: address.port(),
            host: address.ip().to_string(),
            records: Mutex::default(),
        })
    }

    fn records(&self) -> MutexGuard<'_, HashMap<Id, Entry>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of what a record says.
    fn key(&self, subject: &Subject) -> Id {
        match subject {
            Subject::Endpoint => record::station_endpoint_key(&self.node_id),
            Subject::Directory { org } => record::org_directory_key(&self.realm_id, org),
            Subject::Delegation { node } => record::procedure_delegation_key(&self.org_key(), node),
            Subject::Procedure { name } => record::procedure_key(&self.realm_id, name),
        }
    }

    /// What names the key that speaks for each org: the realm's own.
    fn org_key(&self) -> Id {
        key_id_of(&self.realm.public_key(), self.realm.profile())
    }

    /// Has something to say from now on.
    pub(crate) fn add(&self, subject: Subject) {
        let key = self.key(&subject);
        self.records().entry(key).or_insert(Entry { subject, record: None });
    }

    pub(crate) fn remove(&self, subject: &Subject) {
        self.records().remove(&self.key(subject));
    }

    /// What is in a slot.
    pub(crate) fn find(&self, key: &Id, now: u64) -> Option<(Subject, Bytes)> {
        let (subject, fresh) = {
            let records = self.records();
            let Entry { subject, record } = records.get(key)?;
            (subject.clone(), record.clone().filter(|record| record.is_fresh(now)))
        };
        if let Some(record) = fresh {
            return Some((subject, record.wire));
        }
        // Signed without the lock; whoever asks meanwhile signs, too.
        let made = self.make(&subject, now).inspect_err(|error| tracing::warn!(%error, "a record cannot be made"));
        let record = made.ok()?;
        if let Some(entry) = self.records().get_mut(key) {
            entry.record = Some(record.clone());
        }
        Some((subject, record.wire))
    }

    /// What there is of a type.
    pub(crate) fn find_by_type(&self, record_type: u8, now: u64) -> Vec<(Subject, Bytes)> {
        let is_of_type = |(_, entry): &(&Id, &Entry)| entry.subject.record_type().0 == record_type;
        let keys: Vec<_> = self.records().iter().filter(is_of_type).map(|(key, _)| *key).collect();
        keys.iter().filter_map(|key| self.find(key, now)).collect()
    }

    fn make(&self, subject: &Subject, now: u64) -> Result<Record, StationError> {
        match subject {
            Subject::Endpoint => {
                let hosts = vec![self.host.clone()];
                let options = record::StationEndpointOptions { host_advertised: hosts, ..Default::default() };
                self.signed(&record::new_station_endpoint(self.port, &options).map_err(unmade)?)
            }
            Subject::Directory { org } => {
                let payload = vec![
                    entry("realm_id", id_value(&self.realm_id)),
                    entry("org_name", Value::text(org)),
                    entry("org_key", id_value(&self.org_key())),
                ];
                self.of_realm(RecordType::ORG_DIRECTORY, DIRECTORY_ROW, payload, now)
            }
            Subject::Delegation { node } => {
                let payload = vec![entry("org_key", id_value(&self.org_key())), entry("advertiser", id_value(node))];
                self.of_realm(RecordType::PROCEDURE_DELEGATION, DELEGATION_ROW, payload, now)
            }
            Subject::Procedure { name } => {
                let directory = self.make(&Subject::Directory { org: self.realm_name.clone() }, now)?;
                let delegation = self.make(&Subject::Delegation { node: self.node_id }, now)?;
                let authorization = Authorization::Delegation {
                    org_directory: directory.wire.to_vec(),
                    procedure_delegation: delegation.wire.to_vec(),
                };
                let options = record::ProcedureAdvertisementOptions { authorization, ..Default::default() };
                let stations = [self.node_id];
                let unsigned =
                    record::new_procedure_advertisement(&self.node_id, &self.realm_id, name, &stations, &options);
                self.signed(&unsigned.map_err(unmade)?)
            }
        }
    }

    /// A record that a node's key signs.
    fn signed(&self, unsigned: &record::Record) -> Result<Record, StationError> {
        let signed = record::sign(unsigned, &self.node).map_err(unmade)?;
        let wire = record::encode(&signed).map_err(unmade)?.into();
        Ok(Record { wire, made: signed.created_at, expires: signed.expires_at })
    }

    /// A record that a realm's key signs.
    fn of_realm(
        &self,
        record_type: RecordType,
        row: u8,
        payload: Vec<(Value, Value)>,
        now: u64,
    ) -> Result<Record, StationError> {
        let expires = now + LIFETIME_CLASS_MAX_MS[usize::from(row)];
        let fields = [
            entry("type", Value::Int(record_type.0.into())),
            entry("version", Value::Bytes(clock::uuid_v7(now).to_vec())),
            entry("created_at", Value::Int(now.into())),
            entry("expires_at", Value::Int(expires.into())),
            entry("schema", Value::Int(record::SCHEMA.into())),
            entry("lifetime_class", Value::Int(row.into())),
            entry("payload", Value::Map(payload)),
        ];
        let object = signed_object::sign_object(LABEL, &fields, &self.realm).map_err(unmade)?;
        let wire = cbor::encode(&object.to_value()).map_err(unmade)?.into();
        Ok(Record { wire, made: now, expires })
    }
}

impl Subject {
    fn record_type(&self) -> RecordType {
        match self {
            Self::Endpoint => RecordType::STATION_ENDPOINT,
            Self::Directory { .. } => RecordType::ORG_DIRECTORY,
            Self::Delegation { .. } => RecordType::PROCEDURE_DELEGATION,
            Self::Procedure { .. } => RecordType::PROCEDURE_ADVERTISEMENT,
        }
    }
}

fn unmade(error: impl std::fmt::Display) -> StationError {
    StationError::Record(error.to_string())
}

#[cfg(test)]
mod tests {
    use macula_rust::profile::Profile;
    use macula_rust::record::Trust;

    use super::*;
    use crate::Keys;

    const MINUTE: u64 = 60 * 1000;

    fn issued() -> Issued {
        let key = || Arc::new(NodeKey::generate_identity(Profile::PqPure, 0).unwrap());
        let keys = Keys { node: key(), realm: key() };
        Issued::new(&keys, ([7; 32], "hecate.local"), ([127, 0, 0, 1], 4433).into()).unwrap()
    }

    /// Each record is held against the SDK's reader.
    #[test]
    fn what_is_found_has_half_of_its_life_before_it_whenever_one_asks() {
        let issued = issued();
        let subjects =
            [Subject::Endpoint, Subject::Directory { org: "acme".to_owned() }, Subject::Delegation { node: [9; 32] }];
        let now = clock::now_ms();
        for subject in subjects {
            issued.add(subject.clone());
            let key = issued.key(&subject);
            let mut longest = 0;
            // The endpoint's builder reads the clock itself.
            let later = if subject == Subject::Endpoint { 0 } else { 24 * 60 * MINUTE };
            for at in [now, now + MINUTE, now + later, now] {
                let (_, wire) = issued.find(&key, at).unwrap();
                let read = record::verify(&wire, Profile::PqPure, clock::signed(at)).unwrap().into_record();
                longest = longest.max(read.expires_at - read.created_at);
                let at = if subject == Subject::Endpoint { at.max(clock::now_ms()) } else { at };
                assert!(read.created_at <= at && read.expires_at >= at + longest / 2 - 1000, "{subject:?} at {at}");
                assert_eq!(record::storage_key(&read).unwrap(), key);
            }
            assert_eq!(issued.find_by_type(subject.record_type().0, now).len(), 1);
            issued.remove(&subject);
            assert!(issued.find(&key, now).is_none());
        }
    }

    #[test]
    fn the_realms_procedures_are_authorized_by_the_realm() {
        let issued = issued();
        let name = "hecate.local/_realm/_realm/identity/x_v1".to_owned();
        issued.add(Subject::Procedure { name: name.clone() });
        let now = clock::now_ms();
        let (_, wire) = issued.find(&record::procedure_key(&[7; 32], &name), now).unwrap();
        let verified = record::verify(&wire, Profile::PqPure, clock::signed(now)).unwrap();
        let trust = Trust { profile: Profile::PqPure, realm_key: Some(issued.realm.public_key()) };
        record::verify_authorization(&verified, &trust, clock::signed(now)).unwrap();
    }
}
