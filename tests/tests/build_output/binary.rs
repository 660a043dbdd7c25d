//! The records in the sections of a binary.

use std::fs;
use std::path::Path;

use object::{Object, ObjectSection};

const MAGIC: &[u8] = b"hecate-om\0\0\x01";

/// The manifests of the services that are linked into a binary.
pub(crate) fn manifests(binary: &Path) -> Vec<String> {
    records(binary, "hecate_om")
}

/// The names of the services that a binary runs.
pub(crate) fn run(binary: &Path) -> Vec<String> {
    records(binary, "hecate_run")
}

/// The texts of the records, sorted; linkers pad between them.
fn records(binary: &Path, section: &str) -> Vec<String> {
    let bytes = fs::read(binary).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let section = file.section_by_name(section).unwrap_or_else(|| panic!("{} has no {section}", binary.display()));
    let mut rest = section.data().unwrap();
    let mut texts = Vec::new();
    while let Some(at) = rest.windows(MAGIC.len()).position(|window| window == MAGIC) {
        assert!(rest[..at].iter().all(|byte| *byte == 0), "only padding stands between records");
        let (length, after) = rest[at + MAGIC.len()..].split_first_chunk().unwrap();
        let (text, after) = after.split_at(usize::try_from(u32::from_le_bytes(*length)).unwrap());
        texts.push(String::from_utf8(text.to_vec()).unwrap());
        rest = after;
    }
    assert!(rest.iter().all(|byte| *byte == 0), "only padding stands after the records");
    texts.sort();
    texts
}

/// Whether a binary has no symbols left.
pub(crate) fn is_stripped(binary: &Path) -> bool {
    let bytes = fs::read(binary).unwrap();
    object::File::parse(&*bytes).unwrap().symbols().next().is_none()
}
