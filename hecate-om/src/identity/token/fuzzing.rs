//! What the realm answers, tried with whatever bytes there are.

use std::time::{Instant, SystemTime};

use macula_rust::cbor;
use macula_rust::profile::Profile;

use super::held::{self, Audience, Held, Now};
use crate::config::mesh::Realm;
use crate::fuzzing::is_one_line;
use crate::node_id::NodeId;

/// A token is held for what it grants, or refused without a word of its content.
pub(in crate::identity) fn is_held(token: &[u8], claims: &[u8], realm: &Realm, profile: Profile, now: SystemTime) {
    let now = Now { wall: now, steady: Instant::now() };
    let audience = Audience { node: NodeId::from_bytes([7; 32]), profile };
    let ends = now.wall + std::time::Duration::from_secs(3600);
    match Held::take(token, ends, audience, realm, now) {
        Ok(held) => held::fuzzing::is_sound(held, now),
        Err(why) => assert!(is_one_line(&why) && why.len() < 200, "{why:?}"),
    }
    held::fuzzing::grants(claims, ends, now);
}

/// An answer holds a token and its end, or is none.
pub(in crate::identity) fn is_answer(bytes: &[u8]) {
    let Ok(answer) = cbor::decode(bytes) else { return };
    if let Some((token, ends)) = super::read(&answer) {
        assert!(token.len() <= bytes.len() && ends >= SystemTime::UNIX_EPOCH);
    }
}
