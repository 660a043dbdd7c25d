//! The known names that somebody may have meant.

/// At most three known names that may have been meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    // Comparing costs the product of the lengths, and a caller chooses one of them.
    if name.len() > 128 {
        return Vec::new();
    }
    let scored = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let mut near: Vec<_> = scored.filter(|(distance, known)| *distance <= 1 + known.len() / 4).collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, known)| known).take(3).collect()
}
