//! All that is not as it was, from the names of services down to the fields of their messages.

use std::collections::BTreeMap;

use super::change::{Change, Difference, Place, Side};
use super::document::{ContractLock, LockedCapability, LockedService};
use super::schemas;

/// How many changes of one message are told.
const MOST_OF_A_MESSAGE: usize = 200;

/// What differs, in order of services, capabilities and fields.
#[must_use]
pub fn changes(old: &ContractLock, new: &ContractLock) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, service) in &old.services {
        match new.services.get(name) {
            Some(now) => changes.extend(changes_of_service(name, service, now)),
            None => changes.push(change(name, Place::default(), Difference::ServiceRemoved, true)),
        }
    }
    let added = new.services.keys().filter(|name| !old.services.contains_key(*name));
    changes.extend(added.map(|name| change(name, Place::default(), Difference::ServiceAdded, false)));
    changes
}

/// What differs in one service.
#[must_use]
pub fn changes_of_service(name: &str, old: &LockedService, new: &LockedService) -> Vec<Change> {
    let mut changes = Vec::new();
    let added: Vec<&LockedCapability> = of_one(&new.capabilities, &old.capabilities).collect();
    for (key, capability) in &old.capabilities {
        match new.capabilities.get(key) {
            Some(now) => changes.extend(changes_of_capability(name, capability, now)),
            None => {
                let renamed = renamed(capability, &added);
                changes.push(change(name, place(capability), Difference::CapabilityRemoved(renamed), true));
            }
        }
    }
    changes.extend(added.iter().map(|capability| change(name, place(capability), Difference::CapabilityAdded, false)));
    changes
}

fn of_one<'a>(
    these: &'a BTreeMap<(String, u16), LockedCapability>,
    others: &'a BTreeMap<(String, u16), LockedCapability>,
) -> impl Iterator<Item = &'a LockedCapability> {
    these.iter().filter(|(key, _)| !others.contains_key(*key)).map(|(_, capability)| capability)
}

/// The new capability that a lost one was probably renamed to: a name nearly the same, or the same messages.
fn renamed(lost: &LockedCapability, added: &[&LockedCapability]) -> Option<String> {
    let distance = |other: &LockedCapability| strsim::osa_distance(&lost.name, &other.name);
    let is_like = |other: &LockedCapability| {
        distance(other) <= 1 + lost.name.len() / 4 || lost.request == other.request && lost.reply == other.reply
    };
    let same_version = added.iter().filter(|other| other.version == lost.version && is_like(other));
    same_version.min_by_key(|other| distance(other)).map(ToString::to_string)
}

fn changes_of_capability(service: &str, old: &LockedCapability, new: &LockedCapability) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut tell = |difference, is_breaking| changes.push(change(service, place(old), difference, is_breaking));
    if old.kind != new.kind {
        tell(Difference::Kind(old.kind.to_string(), new.kind.to_string()), true);
    }
    if old.deprecated.is_some() != new.deprecated.is_some() {
        tell(Difference::Deprecated(new.deprecated.is_some()), false);
    }
    for code in old.refusals.iter().filter(|code| !new.refusals.contains(code)) {
        tell(Difference::RefusalRemoved(code.clone()), true);
    }
    for code in new.refusals.iter().filter(|code| !old.refusals.contains(code)) {
        tell(Difference::RefusalAdded(code.clone()), false);
    }
    for (side, was, is) in [(Side::Request, &old.request, &new.request), (Side::Reply, &old.reply, &new.reply)] {
        let told = schemas::changes(side, was, is).into_iter().take(MOST_OF_A_MESSAGE);
        changes.extend(told.map(|told| {
            let place = Place { side: Some(side), path: Some(told.path), ..place(old) };
            change(service, place, told.difference, told.is_breaking)
        }));
    }
    changes
}

fn place(capability: &LockedCapability) -> Place {
    Place { capability: Some(capability.to_string()), ..Place::default() }
}

fn change(service: &str, place: Place, difference: Difference, breaking: bool) -> Change {
    let why = difference.why(place.side, breaking);
    Change { service: service.to_owned(), place, difference, breaking, why }
}
