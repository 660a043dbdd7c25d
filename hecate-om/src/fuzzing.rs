//! What a fuzzer calls: a function for each decoder that the outside reaches.
//!
//! Each takes whatever bytes there are, has the decoder read them, and panics where a promise is broken.
//! They stand here, and not with the fuzzer in `tests/fuzz`, because decoders are private, and so that
//! tests can try again what a fuzzer once found. An ordinary build has none of it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a broken promise is told")]

pub(crate) mod lab;
mod local_request;
mod macula_value;
mod manifest;
mod messages;
mod station_info;
#[cfg(test)]
mod tests;

use self::local_request::local_request;
use self::macula_value::macula_value;
use self::manifest::manifest;
use self::station_info::station_info;
use crate::config::fuzzing::configuration;
use crate::identity::fuzzing::{certificate, key_file, token};
use crate::local::lines::fuzzing::request_lines;
use crate::mesh::announce::fuzzing::announcement;
use crate::mesh::stream::fuzzing::stream_words;
use crate::telemetry::text::acts;

/// Has a decoder read an input.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 11] = [
    ("announcement", announcement),
    ("certificate", certificate),
    ("configuration", configuration),
    ("key_file", key_file),
    ("local_request", local_request),
    ("macula_value", macula_value),
    ("manifest", manifest),
    ("request_lines", request_lines),
    ("station_info", station_info),
    ("stream_words", stream_words),
    ("token", token),
];

/// What stands between the parts of an input that has several.
pub(crate) const BETWEEN: &[u8] = b"\n====\n";

/// The parts of an input; those that are not there are empty.
pub(crate) fn parts<const N: usize>(mut input: &[u8]) -> [&[u8]; N] {
    let mut parts = [&input[..0]; N];
    for part in &mut parts {
        let end = input.windows(BETWEEN.len()).position(|window| window == BETWEEN);
        *part = &input[..end.unwrap_or(input.len())];
        input = end.map_or(&[], |end| &input[end + BETWEEN.len()..]);
    }
    parts
}

/// What is told to people has nothing in it that acts, so that it cannot pass for
/// more lines than it is, nor speak to a terminal.
pub(crate) fn is_one_line(text: &str) -> bool {
    !text.contains(acts)
}
