//! The bound of labels: what is beyond it becomes one, `_other`.

use std::collections::HashMap;
use std::hash::Hash;

/// How many label sets a metric has at most, those of a closed set such as `outcome` aside.
pub(crate) const MAX_LABEL_SETS: usize = 200;

/// The label of all that found no room.
pub(super) const OTHER: &str = "_other";

/// Label sets with what belongs to them.
#[derive(Debug)]
pub(super) struct Folded<K, V> {
    pub(super) sets: Vec<(K, V)>,
    /// How many are in the one that stands for all others.
    pub(super) folded: usize,
}

/// Keeps the first that fit, and adds all others up under `other`. What has the same labels is added
/// up as well: a label set that comes twice is no metric.
pub(super) fn fold<K: Clone + Eq + Hash, V>(
    all: impl IntoIterator<Item = (K, V)>,
    other: K,
    add: impl Fn(&mut V, V),
    mut fits: impl FnMut(&K, &V) -> bool,
) -> Folded<K, V> {
    let mut places: HashMap<K, usize> = HashMap::new();
    let mut sets: Vec<(K, V)> = Vec::new();
    let mut rest: Option<V> = None;
    let mut folded = 0;
    for (labels, value) in all {
        if let Some(place) = places.get(&labels) {
            add(&mut sets[*place].1, value);
        } else if labels != other && sets.len() < MAX_LABEL_SETS && fits(&labels, &value) {
            places.insert(labels.clone(), sets.len());
            sets.push((labels, value));
        } else {
            folded += 1;
            match &mut rest {
                Some(rest) => add(rest, value),
                None => rest = Some(value),
            }
        }
    }
    sets.extend(rest.map(|rest| (other, rest)));
    Folded { sets, folded }
}
