//! The records that a binary keeps in sections of its own: what it was built of, and what it runs.

/// The bytes of a manifest record before its text: the magic, then the length as a little-endian u32.
const RECORD_HEADER: usize = 16;
const RECORD_MAGIC: &[u8; 12] = b"hecate-om\0\0\x01";

/// The length of the record of `text`.
pub const fn record_len(text: &str) -> usize {
    RECORD_HEADER + text.len()
}

/// A record for a section of the binary: linkers pad between records, so each says how long it is.
///
/// # Panics
/// At compile time only, when `N` is not `record_len(text)`.
pub const fn record<const N: usize>(text: &str) -> [u8; N] {
    let (text, mut bytes) = (text.as_bytes(), [0; N]);
    assert!(N == RECORD_HEADER + text.len() && text.len() <= u32::MAX as usize);
    let mut at = 0;
    while at < RECORD_MAGIC.len() {
        bytes[at] = RECORD_MAGIC[at];
        at += 1;
    }
    let len = (text.len() as u32).to_le_bytes();
    while at < RECORD_HEADER {
        bytes[at] = len[at - RECORD_MAGIC.len()];
        at += 1;
    }
    while at < N {
        bytes[at] = text[at - RECORD_HEADER];
        at += 1;
    }
    bytes
}

/// Keeps a record in the binary exactly when the code that calls this is kept.
pub fn keep(record: &'static [u8]) {
    std::hint::black_box(record);
}
