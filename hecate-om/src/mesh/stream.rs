//! Streams over the mesh: one of the SDK's for each call, with windows of our own.
//!
//! The SDK reads ahead of whoever takes what it read, and ends a stream of which 16 MiB wait. So two hecate
//! peers keep a window: of what was sent and not taken there is never more than [`WINDOW`] and one item. A
//! peer that knows nothing of windows is sent to, and read from, as fast as it goes, within the SDK's bound.

mod answer;
mod credit;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod session;
mod window;
mod words;

use macula_rust::frame::StreamMode;

pub(crate) use self::credit::{Credits, Granting};
pub(crate) use self::session::{Arrivals, Arrived, Grants, Side, arrivals, send};
pub(crate) use self::window::Window;
pub(crate) use self::words::Word;
use crate::capability::Kind;

/// What may be under way, as it is counted: sent, and not taken by whoever it is for.
pub(crate) const WINDOW: u64 = 256 * 1024;

/// What an item counts beside its own bytes.
const EACH: u64 = 1024;

/// What the SDK calls a kind; none for what is no stream.
pub(crate) fn mode(kind: Kind) -> Option<StreamMode> {
    match kind {
        Kind::Unary => None,
        Kind::ServerStream => Some(StreamMode::ServerStream),
        Kind::ClientStream => Some(StreamMode::ClientStream),
        Kind::Bidi => Some(StreamMode::Bidi),
    }
}

/// Where callers grant what the streams of replies of a service may send.
pub(crate) fn grants(org: &str, scope: &str) -> String {
    super::procedure(org, &format!("{scope}.credit"), 1)
}

/// What an item counts in a window.
pub(crate) fn cost(size: usize) -> u64 {
    EACH + size as u64
}
