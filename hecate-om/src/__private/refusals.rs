//! Makes refusals of the variants of an enum.

use crate::capability::CapabilityError;

/// A detail of a refusal.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a detail of a refusal",
    label = "this type cannot be sent to a caller",
    note = "help: write `#[message]` above `{Self}`, or derive `serde::Serialize` for it"
)]
pub trait Detail: serde::Serialize {}

#[diagnostic::do_not_recommend]
impl<T: serde::Serialize> Detail for T {}

/// One detail of a refusal.
pub fn detail<T: Detail>(value: &T) -> serde_json::Value {
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
