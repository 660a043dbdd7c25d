//! What generated code names. Not an interface: it changes without notice.

pub use {inventory, schemars, serde, serde_json};

pub use crate::capability::{Capability, CapabilityError, CapabilityInfo, Handlers, Refusal, RefusalCode};
pub use crate::context::Context;
pub use crate::contract::check as check_contract;
pub use crate::health::Health;
pub use crate::registry::Registration;
pub use crate::service::{IdentitySpec, Service, ServiceInfo, StartError};

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

/// What `start` returned, as the runtime wants it.
pub fn started<S, E: Into<StartError>>(result: Result<S, E>) -> Result<S, StartError> {
    result.map_err(Into::into)
}

/// A request that has no fields.
pub type Nothing = ();

/// The reply of a handler, where its signature does not spell it out.
#[diagnostic::on_unimplemented(
    message = "a Hecate capability must return a `Result`, found `{Self}`",
    label = "this is not a `Result`",
    note = "help: write `-> Result<{Self}>`, or `-> Result<{Self}, E>` with `#[derive(Refusal)] enum E`"
)]
pub trait Answer {
    /// What it answers with.
    type Reply;
}

impl<T, E> Answer for Result<T, E> {
    type Reply = T;
}

/// One detail of a refusal.
pub fn detail<T: serde::Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A refusal with its details.
pub fn refuse<const N: usize>(
    code: &'static str,
    message: &'static str,
    details: [(&str, serde_json::Value); N],
) -> CapabilityError {
    let error = CapabilityError::refused(code, message);
    if N == 0 {
        return error;
    }
    error.with_details(details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
