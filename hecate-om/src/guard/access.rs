//! Whether a call may be made, by what it comes with.

use serde_json::json;

use super::warrant::{Token, Warrant};
use crate::capability::{Access, CapabilityError, CapabilityInfo, ErrorCode};
use crate::config::mesh::{CryptoProfile, Realm};
use crate::node_id::NodeId;

/// Where a service stands on the mesh: what a token, and a caller who means this one, must name.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) org: String,
    /// Not known before a station told it, where none is configured.
    pub(crate) realm: Option<Realm>,
    pub(crate) profile: CryptoProfile,
}

/// Whether the call of `warrant` may be made.
///
/// # Errors
/// `unauthorized`; `unavailable` while it is not known against what a token is to be checked.
pub(crate) fn check(
    info: &'static CapabilityInfo,
    warrant: &Warrant,
    standing: impl FnOnce() -> Option<std::sync::Arc<Standing>>,
) -> Result<(), CapabilityError> {
    match (warrant, info.access) {
        #[cfg(feature = "macula")]
        (Warrant::Mesh { upheld, .. }, _) if upheld.is_of(info) => Ok(()),
        #[cfg(feature = "macula")]
        (Warrant::Mesh { .. }, _) => Err(unauthorized("the policy of another capability was asked for this call")),
        (Warrant::Local { .. } | Warrant::Process { .. }, Access::Open | Access::Realm) => Ok(()),
        (Warrant::Local { token, .. } | Warrant::Process { token, .. }, Access::Issuer(issuer)) => match token {
            Some(token) => {
                let standing = standing().ok_or_else(not_known)?;
                bearer(token, issuer, info, &standing)
            }
            None => {
                let message = format!(
                    "`{}` is for callers with a token of node {issuer}; on this box it goes with the call as \
                     `Authorization: Bearer <token>`",
                    info.name,
                );
                Err(unauthorized(message).with_details(json!({"access": info.access.to_string()})))
            }
        },
    }
}

#[cfg(feature = "macula")]
fn bearer(token: &Token, issuer: NodeId, info: &CapabilityInfo, standing: &Standing) -> Result<(), CapabilityError> {
    let realm = standing.realm.as_ref().ok_or_else(not_known)?;
    let procedure = format!("{}/{}_v{}", standing.org, info.name, info.version);
    let now = std::time::SystemTime::now();
    crate::mesh::access::check_bearer(token.bytes(), issuer, &procedure, realm, standing.profile, now)
}

#[cfg(not(feature = "macula"))]
fn bearer(_: &Token, _: NodeId, info: &CapabilityInfo, _: &Standing) -> Result<(), CapabilityError> {
    let message = format!("`{}` is for callers with a token, and this service was built without `macula`", info.name);
    Err(unauthorized(message))
}

fn not_known() -> CapabilityError {
    CapabilityError::unavailable("the realm of this service is not known yet, so no token can be checked")
}

fn unauthorized(message: impl Into<std::borrow::Cow<'static, str>>) -> CapabilityError {
    CapabilityError::new(ErrorCode::Unauthorized, message)
}
