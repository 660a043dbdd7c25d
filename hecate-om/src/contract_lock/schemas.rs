//! Whether what one schema allows to be written, another one reads.
//!
//! All is compared twice: what the old allows is read by the new, and the other way about. Of a request the first
//! decides, of a reply the second; what only the other way finds is a change that callers do not feel.

mod objects;
mod walk;

use serde_json::Value;

use super::change::{Difference, Side};
use super::places;
use walk::{Finding, Walk};

/// A difference in a message, and whether it breaks callers.
pub(super) struct Told {
    pub(super) path: String,
    pub(super) difference: Difference,
    pub(super) is_breaking: bool,
}

/// All that is not in a message as it was.
pub(super) fn changes(side: Side, old: &Value, new: &Value) -> Vec<Told> {
    if old == new {
        return Vec::new();
    }
    let (deciding, other) = match side {
        Side::Request => (Walk::old_is_written(old, new), Walk::new_is_written(old, new)),
        Side::Reply => (Walk::new_is_written(old, new), Walk::old_is_written(old, new)),
    };
    let mut told: Vec<Told> = Vec::new();
    let mut tell = |found: Vec<Finding>, decides: bool| {
        for finding in found {
            let path = places::path(&finding.steps);
            if !told.iter().any(|told| told.path == path && told.difference == finding.difference) {
                let is_breaking = decides && !finding.is_note;
                told.push(Told { path, difference: finding.difference, is_breaking });
            }
        }
    };
    // What breaks is told first; of two findings in one place, it is the one that stays.
    tell(deciding.of(side).found(), true);
    tell(other.found(), false);
    // What breaks comes first, so that nothing that is cut off does.
    told.sort_by(|one, other| other.is_breaking.cmp(&one.is_breaking).then_with(|| one.path.cmp(&other.path)));
    told
}
