//! The capabilities of a service, each with what is kept of its calls; a table that is made once.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::addresses::Addresses;
use super::tally::Tally;
use crate::capability::{CapabilityError, CapabilityInfo, ErrorCode};
use crate::guard::in_effect::InEffect;
use crate::nearest::nearest;

/// A capability that can be called.
pub(super) struct Slot {
    pub(super) info: &'static CapabilityInfo,
    pub(super) limits: InEffect,
    pub(super) tally: Tally,
}

pub(super) struct Table {
    pub(super) slots: Box<[Slot]>,
    pub(super) addresses: Addresses,
    /// How many calls asked for what is not here.
    pub(super) unknown: AtomicU64,
    /// How many calls ended with a panic of their handler.
    pub(super) panics: AtomicU64,
}

impl Table {
    pub(super) fn of(capabilities: &'static [CapabilityInfo]) -> Self {
        let slot = |info: &'static CapabilityInfo| {
            let limits = InEffect::new(&info.limits);
            Slot { info, limits, tally: Tally::new() }
        };
        Self {
            slots: capabilities.iter().map(slot).collect(),
            addresses: Addresses::of(capabilities.iter()),
            unknown: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        }
    }

    /// For a call that asks for what is not here.
    pub(super) fn stranger(&self, name: &str, version: &str) -> CapabilityError {
        self.unknown.fetch_add(1, Ordering::Relaxed);
        let versions: Vec<u16> =
            self.slots.iter().filter(|slot| slot.info.name == name).map(|slot| slot.info.version).collect();
        if !versions.is_empty() {
            let listed = versions.iter().map(|version| format!("`{version}`")).collect::<Vec<_>>().join(", ");
            let message = format!("capability `{name}` has no version `{}`; it has {listed}", shown(version));
            return CapabilityError::new(ErrorCode::UnsupportedVersion, message)
                .with_details(json!({"name": name, "versions": versions}));
        }
        let near = nearest(name, self.slots.iter().map(|slot| slot.info.name));
        let hint = match near.as_slice() {
            [] => "GET /capabilities lists what is here".to_owned(),
            near => format!("did you mean `{}`?", near.join("` or `")),
        };
        let message = format!("no capability `{}` is here; {hint}", shown(name));
        CapabilityError::new(ErrorCode::UnknownCapability, message).with_details(json!({"nearest": near}))
    }

    /// For a call that means the same capability of another service.
    pub(super) fn meant_for_another(&self, slot: usize) -> CapabilityError {
        self.unknown.fetch_add(1, Ordering::Relaxed);
        let name = self.slots[slot].info.name;
        let message = format!("the `{name}` that is here is of another org or realm than the one that was asked for");
        CapabilityError::new(ErrorCode::UnknownCapability, message)
    }
}

/// A name that a caller chose: short, and without control characters.
fn shown(name: &str) -> String {
    name.chars().take(128).flat_map(char::escape_debug).collect()
}
