//! From the address of a capability to its place: a table that is made once and only read.

use std::fmt::Write as _;

use crate::capability::CapabilityInfo;

/// Open addressing with room to spare. What is in it the service chose, so no caller can make
/// addresses collide, and a lookup ends at the first free place.
pub(super) struct Addresses {
    places: Box<[Option<Place>]>,
}

struct Place {
    /// `<name>/v<version>`: as a caller writes it, so that nothing is to be taken apart.
    path: String,
    slot: usize,
}

impl Addresses {
    pub(super) fn of<'a>(capabilities: impl ExactSizeIterator<Item = &'a CapabilityInfo>) -> Self {
        let size = (capabilities.len() * 2).next_power_of_two().max(2);
        let mut places: Box<[Option<Place>]> = std::iter::repeat_with(|| None).take(size).collect();
        for (slot, info) in capabilities.enumerate() {
            let path = path_of(info);
            let mut at = first(&path, size);
            while places[at].is_some() {
                at = (at + 1) % size;
            }
            places[at] = Some(Place { path, slot });
        }
        Self { places }
    }

    /// The place of `<name>/v<version>`, if that is here.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        let size = self.places.len();
        let mut at = first(path, size);
        loop {
            let place = self.places[at].as_ref()?;
            if place.path == path {
                return Some(place.slot);
            }
            at = (at + 1) & (size - 1);
        }
    }
}

/// In one piece of memory: a start should not pay for growing a thousand of them.
fn path_of(info: &CapabilityInfo) -> String {
    let mut path = String::with_capacity(info.name.len() + "/v65535".len());
    // Writing to a string cannot fail.
    let _ = write!(path, "{}/v{}", info.name, info.version);
    path
}

/// Where to look first; `size` is a power of two.
fn first(path: &str, size: usize) -> usize {
    let (words, rest) = path.as_bytes().as_chunks::<8>();
    let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let mixed = words.iter().map(|word| u64::from_le_bytes(*word)).chain([rest]).fold(0, |mixed: u64, word| {
        // The multiplier of FxHash: odd, with its bits well spread.
        (mixed.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
    });
    (mixed >> 32) as usize & (size - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_found_and_no_other() {
        for count in [0, 1, 2, 3, 1000_u16] {
            let infos: Vec<_> = (1..=count).map(|version| CapabilityInfo::new("lab.say", version, "", 1)).collect();
            let addresses = Addresses::of(infos.iter());
            for (slot, info) in infos.iter().enumerate() {
                assert_eq!(addresses.find(&format!("{}/v{}", info.name, info.version)), Some(slot));
            }
            for other in ["", "lab.say", "lab.say/v0", "lab.say/v01", "lab.say/v1001", "lab.sya/v1", "lab.say/v1/"] {
                assert_eq!(addresses.find(other), None, "{other}");
            }
        }
    }
}
