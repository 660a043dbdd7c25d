//! Stub.
use super::value::{Value, ValueError};
use crate::capability::CapabilityError;
#[derive(Default)]
pub(crate) struct Metadata { pub(crate) hops: u8, pub(crate) traceparent: Option<String>, pub(crate) deadline_ms: Option<u64> }
impl Metadata {
    pub(crate) fn take(_payload: &mut Value) -> Option<Result<Self, ValueError>> { None }
}
pub(crate) fn refusal(_error: &CapabilityError) -> Value { Value::Null }
pub(crate) fn text(_error: &CapabilityError) -> String { String::new() }
