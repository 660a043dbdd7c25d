//! The limits of all capabilities: told to whoever may know them, and changed for whoever may do that.

use serde_json::{Map, Value, json};

use super::Dispatch;
use super::table::Slot;
use super::tally::Outcome;
use crate::capability::{CapabilityError, CapabilityInfo, ErrorCode};
use crate::guard::change::{self, Change, Wrong, shown};
use crate::nearest::nearest;

/// Limits that were changed.
pub(crate) struct Changed {
    pub(crate) capability: &'static CapabilityInfo,
    /// What was named, as it was and as it is.
    pub(crate) from: String,
    pub(crate) to: String,
    /// What its caller is told: all that holds now.
    pub(crate) told: Value,
}

impl Dispatch {
    /// Every capability with what was declared, what holds, what runs and what was refused. Nothing of it tells
    /// of a caller.
    pub(crate) fn told_limits(&self) -> Value {
        let capabilities: Vec<_> = self.table.slots.iter().map(told).collect();
        json!({"capabilities": capabilities})
    }

    /// Changes the limits of one capability, all that are asked for or none.
    ///
    /// # Errors
    /// `invalid_request` with everything that is wrong, each with its bounds.
    pub(crate) fn change_limits(&self, request: &Map<String, Value>) -> Result<Changed, CapabilityError> {
        let mut wrong = Vec::new();
        let slot = self.named(request, &mut wrong);
        let change = Change::read(request, slot.map(|slot| &slot.info.limits), &mut wrong);
        let asks_for_something = change::NAMES.iter().any(|name| request.contains_key(*name));
        if wrong.is_empty() && !asks_for_something {
            let message = format!("names no limit; there are `{}`", change::NAMES.join("`, `"));
            wrong.push(Wrong::new("", message));
        }
        let Some(slot) = slot.filter(|_| wrong.is_empty()) else { return Err(refused(&wrong)) };
        let (before, now) = slot.limits.change(change).map_err(|wrong| refused(&[wrong]))?;
        Ok(Changed { capability: slot.info, from: change.tell(&before), to: change.tell(&now), told: told(slot) })
    }

    /// The capability that a request names.
    fn named(&self, request: &Map<String, Value>, wrong: &mut Vec<Wrong>) -> Option<&Slot> {
        let name = request.get("name").and_then(Value::as_str);
        let version = request.get("version").and_then(Value::as_u64);
        if name.is_none() {
            wrong.push(Wrong::new("name", "takes the name of a capability"));
        }
        if version.is_none() {
            wrong.push(Wrong::new("version", "takes the version of a capability, a whole number"));
        }
        let (name, version) = (name?, version?);
        let slots = &self.table.slots;
        let found = slots.iter().find(|slot| slot.info.name == name && u64::from(slot.info.version) == version);
        if found.is_some() {
            return found;
        }
        let of_name = slots.iter().filter(|slot| slot.info.name == name);
        let versions: Vec<_> = of_name.map(|slot| format!("`{}`", slot.info.version)).collect();
        if !versions.is_empty() {
            wrong.push(Wrong::new("version", format!("is not here; there are {}", versions.join(", "))));
            return None;
        }
        let near = nearest(name, slots.iter().map(|slot| slot.info.name));
        let hint = match near.as_slice() {
            [] => "GET /capabilities lists what is here".to_owned(),
            near => format!("did you mean `{}`?", near.join("` or `")),
        };
        wrong.push(Wrong::new("name", format!("no capability `{}` is here; {hint}", shown(name))));
        None
    }
}

fn told(slot: &Slot) -> Value {
    let mut refused = slot.limits.refusals();
    refused["access"] = slot.tally.calls(Outcome::Unauthorized).into();
    json!({
        "name": slot.info.name,
        "version": slot.info.version,
        "declared": change::to_json(slot.limits.declared()),
        "current": change::to_json(&slot.limits.now()),
        "running": slot.tally.running(),
        "refused": refused,
    })
}

fn refused(wrong: &[Wrong]) -> CapabilityError {
    let told = |wrong: &Wrong| match wrong.field.as_str() {
        "" => wrong.message.clone(),
        field => format!("`{field}` {}", wrong.message),
    };
    let all: Vec<_> = wrong.iter().map(told).collect();
    let message = format!("no limit was changed: {}", all.join("; "));
    let details: Vec<_> = wrong.iter().map(Wrong::to_json).collect();
    CapabilityError::new(ErrorCode::InvalidRequest, message).with_details(json!({"wrong": details}))
}
