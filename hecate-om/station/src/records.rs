//! The records that clients put: the newest of each signer in each slot, as long as it lives.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use macula_rust::cbor::{self, Value};
use macula_rust::node_key::node_id_of;
use macula_rust::profile::Profile;
use macula_rust::record::{self, CLOCK_TOLERANCE_MS, RecordError, RecordType};
use macula_rust::signed_object::Object;

use crate::wire::{Id, fixed};
use crate::{Limits, clock};

/// So much is answered to one question, the newest first: what one frame carries, and then some.
const ANSWERED: usize = 1024;
const ANSWERED_BYTES: usize = 8 << 20;

/// The records that clients put.
pub(crate) struct Records {
    limits: Limits,
    profile: Profile,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    slots: HashMap<Id, Vec<Stored>>,
    of_node: HashMap<Id, usize>,
    records: usize,
    bytes: usize,
}

struct Stored {
    signer: Id,
    /// Who put it, and whose share of the store it is.
    put_by: Id,
    record_type: u8,
    version: [u8; 16],
    created_at: u64,
    expires_at: u64,
    wire: Bytes,
}

/// What is read of a record that was verified.
struct Envelope {
    signer: Id,
    record_type: u8,
    version: [u8; 16],
    created_at: u64,
    expires_at: u64,
}

impl Records {
    pub(crate) fn new(limits: Limits, profile: Profile) -> Self {
        Self { limits, profile, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a record for `put_by`, if a custodian may and there is room; else why not, as the wire tells it.
    pub(crate) fn put(&self, wire: &[u8], put_by: Id, now: u64) -> Result<(), &'static str> {
        let key = record::check_as_custodian(wire, self.profile, clock::signed(now)).map_err(|e| refusal(&e))?;
        let read = Envelope::read(wire, self.profile).ok_or("malformed")?;
        let mut state = self.state();
        let slot = state.slots.get(&key).and_then(|slot| slot.iter().find(|stored| stored.signer == read.signer));
        if slot.is_some_and(|stored| stored.version >= read.version && !is_ahead(stored.created_at, now)) {
            // It is the newest that counts, in whatever order they come.
            return Ok(());
        }
        let (replaced, freed) = slot.map_or((0, 0), |stored| (1, stored.wire.len()));
        let own = state.of_node.get(&put_by).copied().unwrap_or(0);
        if own >= self.limits.records_of_one + replaced {
            return Err("too_many_records");
        }
        let is_full = |state: &State| {
            state.records >= self.limits.records + replaced
                || (state.bytes - freed.min(state.bytes)) + wire.len() > self.limits.record_bytes
        };
        if is_full(&state) {
            state.retain(|stored| stored.expires_at > now);
        }
        if is_full(&state) {
            return Err("too_many_records");
        }
        let Envelope { signer, record_type, version, created_at, expires_at } = read;
        let wire = Bytes::copy_from_slice(wire);
        state.insert(key, Stored { signer, put_by, record_type, version, created_at, expires_at, wire });
        Ok(())
    }

    /// What is in a slot and lives, the newest first. What was withdrawn is not there.
    pub(crate) fn find(&self, key: &Id, now: u64) -> Vec<Bytes> {
        let state = self.state();
        let slot = state.slots.get(key).into_iter().flatten();
        newest(slot.filter(|stored| stored.record_type != RecordType::TOMBSTONE.0), now)
    }

    /// What is of a type and lives.
    pub(crate) fn find_by_type(&self, record_type: u8, now: u64) -> Vec<Bytes> {
        let state = self.state();
        newest(state.slots.values().flatten().filter(|stored| stored.record_type == record_type), now)
    }

    /// Forgets what a node advertised: nobody answers it any more.
    pub(crate) fn forget_advertisements(&self, node: &Id) {
        let advertisement = RecordType::PROCEDURE_ADVERTISEMENT.0;
        self.state().retain(|stored| stored.record_type != advertisement || stored.signer != *node);
    }

    /// Forgets what has expired.
    pub(crate) fn sweep(&self, now: u64) {
        self.state().retain(|stored| stored.expires_at > now);
    }

    pub(crate) fn len(&self) -> usize {
        self.state().records
    }
}

impl State {
    fn insert(&mut self, key: Id, stored: Stored) {
        let Self { slots, of_node, records, bytes } = self;
        let slot = slots.entry(key).or_default();
        slot.retain(|other| other.signer != stored.signer || !count_out(other, of_node, records, bytes));
        *of_node.entry(stored.put_by).or_default() += 1;
        *records += 1;
        *bytes += stored.wire.len();
        slot.push(stored);
    }

    fn retain(&mut self, keep: impl Fn(&Stored) -> bool) {
        let Self { slots, of_node, records, bytes } = self;
        slots.retain(|_, slot| {
            slot.retain(|stored| keep(stored) || !count_out(stored, of_node, records, bytes));
            !slot.is_empty()
        });
    }
}

/// Takes a record that goes off the counts; always true.
fn count_out(stored: &Stored, of_node: &mut HashMap<Id, usize>, records: &mut usize, bytes: &mut usize) -> bool {
    *records -= 1;
    *bytes -= stored.wire.len();
    if let Some(count) = of_node.get_mut(&stored.put_by) {
        *count -= 1;
        if *count == 0 {
            of_node.remove(&stored.put_by);
        }
    }
    true
}

/// Whether the clock was set back since: nobody takes such a record, however new its version looks.
fn is_ahead(created_at: u64, now: u64) -> bool {
    created_at > now.saturating_add(CLOCK_TOLERANCE_MS)
}

fn newest<'a>(stored: impl Iterator<Item = &'a Stored>, now: u64) -> Vec<Bytes> {
    let mut alive: Vec<_> = stored.filter(|stored| stored.expires_at > now).collect();
    alive.sort_by_key(|stored| std::cmp::Reverse(stored.created_at));
    let mut left = ANSWERED_BYTES;
    let fitting = alive.into_iter().take(ANSWERED).take_while(|stored| {
        let fits = stored.wire.len() <= left;
        left = left.saturating_sub(stored.wire.len());
        fits
    });
    fitting.map(|stored| stored.wire.clone()).collect()
}

impl Envelope {
    /// The SDK tells of a custodian's check only where the record belongs.
    fn read(wire: &[u8], profile: Profile) -> Option<Self> {
        let object = Object::from_value(&cbor::decode(wire).ok()?).ok()?;
        let fields = cbor::decode(&object.tbs).ok()?;
        let number = |name| match fields.get(name) {
            Some(Value::Int(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        Some(Self {
            signer: node_id_of(&object.key, profile),
            record_type: u8::try_from(number("type")?).ok()?,
            version: fixed(fields.get("version"))?,
            created_at: number("created_at")?,
            expires_at: number("expires_at")?,
        })
    }
}

/// A custodian's refusal, as the wire names it.
fn refusal(error: &RecordError) -> &'static str {
    match error {
        RecordError::TooLarge => "too_large",
        RecordError::NotYetValid => "not_yet_valid",
        RecordError::Expired => "expired",
        RecordError::KeyIdMismatch => "key_id_mismatch",
        RecordError::LifetimeTooLong => "lifetime_too_long",
        RecordError::LifetimeReversed => "lifetime_reversed",
        RecordError::SignatureInvalid => "signature_invalid",
        RecordError::AlgUnsupported => "alg_unsupported",
        RecordError::LifetimeClassUnknown => "lifetime_class_unknown",
        RecordError::LifetimeClassMismatch => "lifetime_class_mismatch",
        RecordError::SubjectMissing => "subject_missing",
        _ => "malformed",
    }
}

#[cfg(test)]
mod tests {
    use macula_rust::node_key::NodeKey;
    use macula_rust::record::{Reason, TombstoneOptions};

    use super::*;

    const PROFILE: Profile = Profile::PqPure;

    struct Signer {
        key: NodeKey,
        id: Id,
    }

    impl Signer {
        fn new() -> Self {
            let key = NodeKey::generate_identity(PROFILE, 0).unwrap();
            let id = key.node_id().unwrap();
            Self { key, id }
        }

        fn advertisement(&self, procedure: &str) -> (record::Record, Vec<u8>) {
            let procedure = record::own_procedure(&self.id, procedure);
            let options = record::ProcedureAdvertisementOptions::default();
            let record =
                record::new_procedure_advertisement(&self.id, &[1; 32], &procedure, &[[2; 32]], &options).unwrap();
            let signed = record::sign(&record, &self.key).unwrap();
            let wire = record::encode(&signed).unwrap();
            (signed, wire)
        }
    }

    fn key(record: &record::Record) -> Id {
        record::storage_key(record).unwrap()
    }

    fn records(limits: Limits) -> Records {
        Records::new(limits, PROFILE)
    }

    #[test]
    fn the_newest_version_of_each_signer_is_kept_in_whatever_order_they_come() {
        let (records, now) = (records(Limits::default()), clock::now_ms());
        let signer = Signer::new();
        let (first, first_wire) = signer.advertisement("x");
        let second = record::refresh(&first, &signer.key).unwrap();
        let second_wire = record::encode(&second).unwrap();
        assert!(second.version > first.version);
        for wire in [&second_wire, &first_wire, &second_wire] {
            records.put(wire, signer.id, now).unwrap();
            assert_eq!(records.find(&key(&first), now), [Bytes::from(second_wire.clone())]);
        }
        assert_eq!(records.len(), 1);
    }

    #[test]
    fn what_is_withdrawn_expired_or_forgotten_is_not_found() {
        let (records, now) = (records(Limits::default()), clock::now_ms());
        let signer = Signer::new();
        let [(gone, gone_wire), (expired, expired_wire), (_, forgotten_wire)] =
            ["gone", "expired", "forgotten"].map(|name| signer.advertisement(name));
        records.put(&gone_wire, signer.id, now).unwrap();
        let tombstone = record::new_tombstone(&gone, Reason::Shutdown, &TombstoneOptions::default()).unwrap();
        let tombstone = record::encode(&record::sign(&tombstone, &signer.key).unwrap()).unwrap();
        records.put(&tombstone, signer.id, now).unwrap();
        assert!(records.find(&key(&gone), now).is_empty());
        // Not even when it is put once more.
        records.put(&gone_wire, signer.id, now).unwrap();
        assert!(records.find(&key(&gone), now).is_empty());

        records.put(&expired_wire, signer.id, now).unwrap();
        assert_eq!(records.find(&key(&expired), expired.expires_at - 1).len(), 1);
        assert!(records.find(&key(&expired), expired.expires_at).is_empty());
        records.put(&forgotten_wire, signer.id, now).unwrap();
        assert_eq!(records.find_by_type(RecordType::PROCEDURE_ADVERTISEMENT.0, now).len(), 2);
        records.forget_advertisements(&signer.id);
        assert!(records.find_by_type(RecordType::PROCEDURE_ADVERTISEMENT.0, now).is_empty());
        // The tombstone is there as long as what it withdraws could be put again.
        assert_eq!(records.len(), 1);
        records.sweep(u64::MAX);
        assert_eq!(records.len(), 0);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_a_record_of_the_future() {
        let records = records(Limits::default());
        let signer = Signer::new();
        let (record, wire) = signer.advertisement("x");
        records.put(&wire, signer.id, record.created_at).unwrap();
        let mut state = records.state();
        let stored = &mut state.slots.get_mut(&key(&record)).unwrap()[0];
        (stored.version, stored.created_at) = ([0xff; 16], record.created_at + CLOCK_TOLERANCE_MS + 1);
        drop(state);
        records.put(&wire, signer.id, record.created_at).unwrap();
        assert_eq!(records.find(&key(&record), record.created_at), [Bytes::from(wire)]);
    }

    #[test]
    fn records_are_bounded_in_all_and_of_each_node_and_in_bytes() {
        let now = clock::now_ms();
        let [one, other] = [Signer::new(), Signer::new()];
        let wires: Vec<_> = ["a", "b", "c"].iter().map(|name| one.advertisement(name).1).collect();
        let others = other.advertisement("a").1;

        let of_one = records(Limits { records_of_one: 2, ..Limits::default() });
        assert_eq!(of_one.put(&wires[0], one.id, now), Ok(()));
        assert_eq!(of_one.put(&wires[1], one.id, now), Ok(()));
        assert_eq!(of_one.put(&wires[2], one.id, now), Err("too_many_records"));
        assert_eq!(of_one.put(&wires[1], one.id, now), Ok(()));
        assert_eq!(of_one.put(&others, other.id, now), Ok(()));

        let in_all = records(Limits { records: 2, ..Limits::default() });
        assert_eq!(in_all.put(&wires[0], one.id, now), Ok(()));
        assert_eq!(in_all.put(&wires[1], one.id, now), Ok(()));
        assert_eq!(in_all.put(&others, other.id, now), Err("too_many_records"));
        // A renewal needs no room.
        let renewed = one.advertisement("a").1;
        assert_eq!(in_all.put(&renewed, one.id, now), Ok(()));
        assert_eq!(in_all.len(), 2);

        let in_bytes = records(Limits { record_bytes: wires[0].len() + 100, ..Limits::default() });
        assert_eq!(in_bytes.put(&wires[0], one.id, now), Ok(()));
        assert_eq!(in_bytes.put(&wires[1], one.id, now), Err("too_many_records"));
        assert_eq!(in_bytes.put(&one.advertisement("a").1, one.id, now), Ok(()));
    }

    #[test]
    fn what_a_custodian_does_not_take_is_refused_by_name() {
        let (records, signer) = (records(Limits::default()), Signer::new());
        let (record, wire) = signer.advertisement("x");
        let mut forged = wire.clone();
        // The last byte is of the object's last field, the key of its signature's map entry or the signature.
        let at = forged.len() / 2;
        forged[at] ^= 1;
        assert!(records.put(&forged, signer.id, record.created_at).is_err());
        let late = record.expires_at + CLOCK_TOLERANCE_MS + 1;
        assert_eq!(records.put(&wire, signer.id, late), Err("expired"));
        let early = record.created_at - CLOCK_TOLERANCE_MS - 1;
        assert_eq!(records.put(&wire, signer.id, early), Err("not_yet_valid"));
        assert_eq!(records.put(b"nonsense", signer.id, late), Err("malformed"));
        assert_eq!(records.len(), 0);
    }
}
