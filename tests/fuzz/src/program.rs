//! Whatever `hecate-om inspect` is pointed at.

use std::io::Cursor;

use crate::binary::{MOST_READ, records};

/// What is read is bounded, and what is wrong is told in one short line.
pub(crate) fn program(input: &[u8]) {
    match records(Cursor::new(input)) {
        Ok(found) => {
            // Sections may lie upon each other, so it may be more than the file has.
            let kept: usize = found.manifests.iter().chain(&found.run).map(String::len).sum();
            assert!(kept as u64 <= MOST_READ, "{kept} bytes are kept");
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.len() < 256 && !told.contains(char::is_control), "{told:?}");
        }
    }
}
