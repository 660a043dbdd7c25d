//! Access as the mesh has it: policies of what is offered, and tokens that their holders bring along.

use std::time::{SystemTime, UNIX_EPOCH};

use macula_rust::node_key::key_id_of;
use macula_rust::profile::Profile;
use macula_rust::station_link::Offer;
use macula_rust::ucan::{Context, Policy, Request, authorize};
use serde_json::{Value, json};

use crate::capability::{Access, CapabilityError, CapabilityInfo, ErrorCode};
use crate::config::mesh::{CryptoProfile, Realm};
use crate::node_id::NodeId;

/// The longest token that is looked at, in bytes: twice one of the larger profile.
pub(crate) const MAX_TOKEN: usize = 32 * 1024;

/// What a token lets its holder do, besides what it is for.
const CAN_CALL: &str = "call";

/// Shows that a call came by an offer with the policy of its capability, which the SDK asked before it
/// handed the call on. Only [`guarded`] makes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upheld(&'static CapabilityInfo);

impl Upheld {
    /// Whether it was this capability's policy.
    pub(crate) fn is_of(self, info: &'static CapabilityInfo) -> bool {
        std::ptr::eq(self.0, info)
    }
}

/// The offer of a capability with its policy; it is made with what calls that come by it are let in with.
pub(crate) fn guarded(
    info: &'static CapabilityInfo,
    realm: &Realm,
    profile: CryptoProfile,
    offer: impl FnOnce(Upheld) -> Offer,
) -> Offer {
    let mut offer = offer(Upheld(info));
    offer.policy = policy_of(info.access, realm, profile);
    offer
}

/// What the caller of an offer must hold; none for everybody.
pub(crate) fn policy_of(access: Access, realm: &Realm, profile: CryptoProfile) -> Option<Policy> {
    match access {
        Access::Open => None,
        Access::Realm => {
            let key_id = key_id_of(&realm.key, profile_of(profile));
            Some(Policy::RealmMemberRequired { key_id, can: CAN_CALL.to_owned() })
        }
        Access::Issuer(issuer) => Some(Policy::UcanRequired { issuer: *issuer.as_bytes() }),
    }
}

/// Whether a token that came over the socket of this service, or from its own process, lets its holder
/// call a procedure.
///
/// A token names the node that it was made for. A caller on this box shows no node, so the token counts
/// for whoever brings it: only our own user and root come as far, and they can read the keys of all our
/// nodes. Everything else is checked as for a caller of the mesh.
///
/// # Errors
/// `unauthorized`, with what is wrong with the token and nothing of its content.
pub(crate) fn check_bearer(
    token: &[u8],
    issuer: NodeId,
    procedure: &str,
    realm: &Realm,
    profile: CryptoProfile,
    now: SystemTime,
) -> Result<(), CapabilityError> {
    let refused = |reason: &str| {
        let message = format!("the token does not let its holder call `{procedure}`: {}", reason.replace('_', " "));
        Err(CapabilityError::new(ErrorCode::Unauthorized, message).with_details(json!({"reason": reason})))
    };
    if token.len() > MAX_TOKEN {
        return refused("too_large");
    }
    let Some(audience) = audience_of(token) else { return refused("malformed") };
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let context = Context {
        caller: *audience.as_bytes(),
        profile: profile_of(profile),
        now: i64::try_from(now).unwrap_or(i64::MAX),
        request: Some(Request { realm: realm.id, procedure: procedure.to_owned() }),
        proofs: Default::default(),
    };
    match authorize(token, &Policy::UcanRequired { issuer: *issuer.as_bytes() }, &context) {
        Ok(_) => Ok(()),
        Err(refusal) => refused(refusal.name()),
    }
}

/// The profile as the SDK names it.
pub(crate) fn profile_of(profile: CryptoProfile) -> Profile {
    match profile {
        CryptoProfile::PqPure => Profile::PqPure,
        CryptoProfile::PqHybrid => Profile::PqHybrid,
    }
}

/// The node that a token says it was made for. Nothing is verified: [`authorize`] holds the same claim
/// against it.
fn audience_of(token: &[u8]) -> Option<NodeId> {
    let payload = token.split(|byte| *byte == b'.').nth(1)?;
    let claims: Value = serde_json::from_slice(&decode_base64url(payload)?).ok()?;
    claims.get("aud")?.as_str()?.parse().ok()
}

/// Without padding, as tokens have it.
fn decode_base64url(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.chunks(4) {
        if group.len() == 1 {
            return None;
        }
        let mut bits = 0_u32;
        for at in 0..4 {
            bits = bits << 6 | u32::from(group.get(at).map_or(Some(0), |byte| digit(*byte))?);
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
