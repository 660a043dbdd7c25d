//! Tokens here are minted by the SDK, as an issuer would.

use std::time::Duration;

use macula_rust::node_key::{NodeKey, Purpose, node_id_of};
use macula_rust::station_link::{Offer, handler};
use macula_rust::ucan::{Capability, Options, create};

use super::*;

const NOW: u64 = 1_800_000_000;
const PROCEDURE: &str = "acme/lab.do_v1";
/// SHA-256 of `lab.local`.
const REALM: &str = "0e3071ea932149e6742100ddda3e74399fd727f5c9f7c45d327c25f04ffdfd20";

fn key() -> NodeKey {
    NodeKey::generate(Purpose::Identity, Profile::PqPure).unwrap()
}

fn node_of(key: &NodeKey) -> NodeId {
    NodeId::from_bytes(node_id_of(&key.public_key(), Profile::PqPure))
}

fn realm() -> Realm {
    let id: NodeId = REALM.parse().unwrap();
    Realm { id: *id.as_bytes(), name: Some("lab.local".to_owned()), key: vec![7; 2592] }
}

/// A token of `issuer` for somebody, valid for a minute around [`NOW`].
fn token(issuer: &NodeKey, with: &str) -> Vec<u8> {
    let options = Options { exp: NOW as i64 + 60, nbf: Some(NOW as i64 - 60), ..Options::default() };
    let granted = Capability { with: with.to_owned(), can: "call".to_owned() };
    create(issuer, &[5; 32], &[granted], &options).unwrap()
}

fn check(token: &[u8], issuer: NodeId, seconds: u64) -> Result<(), CapabilityError> {
    let now = UNIX_EPOCH + Duration::from_secs(seconds);
    check_bearer(token, issuer, PROCEDURE, &realm(), CryptoProfile::PqPure, now)
}

/// Why the token is refused.
fn reason(token: &[u8], issuer: NodeId, seconds: u64) -> String {
    let error = check(token, issuer, seconds).unwrap_err();
    assert_eq!(error.code(), "unauthorized");
    assert!(!error.is_retryable());
    for part in token.split(|byte| *byte == b'.').filter(|part| part.len() > 8) {
        assert!(!error.to_string().contains(&*String::from_utf8_lossy(part)), "it shows the token: {error}");
    }
    error.details().unwrap()["reason"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_of_the_issuer_counts_for_what_it_is_for_while_it_is_valid() {
    let issuer = key();
    let node = node_of(&issuer);
    for with in ["mri:realm:lab.local", "mri:org:lab.local/acme", "mri:proc:lab.local/acme/lab.do_v1"] {
        let token = token(&issuer, with);
        assert!(check(&token, node, NOW).is_ok(), "{with}: {:?}", check(&token, node, NOW));
        assert_eq!(reason(&token, node, NOW + 60), "expired");
        assert_eq!(reason(&token, node, NOW - 61), "not_yet_valid");
        assert_eq!(reason(&token, NodeId::from_bytes([9; 32]), NOW), "not_the_issuer");
    }
    for (with, why) in [
        ("mri:realm:other.local", "wrong_realm"),
        ("mri:org:lab.local/other", "missing_capability"),
        ("mri:proc:lab.local/acme/lab.do_v2", "missing_capability"),
    ] {
        assert_eq!(reason(&token(&issuer, with), node, NOW), why, "{with}");
    }
}

#[test]
fn a_token_that_was_changed_or_is_none_is_refused() {
    let issuer = key();
    let node = node_of(&issuer);
    let good = token(&issuer, "mri:realm:lab.local");
    let dots: Vec<_> = (0..good.len()).filter(|at| good[*at] == b'.').collect();
    let swap = |byte: u8| if byte == b'A' { b'B' } else { b'A' };
    // In the header, in the claims, and in the signature.
    for at in [5, dots[0] + 100, dots[1] + 100] {
        let mut changed = good.clone();
        changed[at] = swap(changed[at]);
        let why = reason(&changed, node, NOW);
        assert!(["malformed", "wrong_algorithm", "signature_invalid"].contains(&why.as_str()), "at {at}: {why}");
    }
    for other in [&b""[..], b"a", b"a.b.c", b"..", b"e30.e30.e30", b"e30.eyJhdWQiOjF9.e30", &good[..dots[1]]] {
        assert_eq!(reason(other, node, NOW), "malformed", "{}", String::from_utf8_lossy(other));
    }
    assert_eq!(reason(&vec![b'a'; MAX_TOKEN + 1], node, NOW), "too_large");
    let hybrid = |token: &[u8]| {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        check_bearer(token, node, PROCEDURE, &realm(), CryptoProfile::PqHybrid, now)
    };
    assert_eq!(hybrid(&good).unwrap_err().details().unwrap()["reason"], "wrong_algorithm");
}

#[test]
fn each_access_has_its_policy_and_open_has_none() {
    let issuer = NodeId::from_bytes([3; 32]);
    let policy = |access| policy_of(access, &realm(), CryptoProfile::PqPure);
    assert_eq!(policy(Access::Open), None);
    assert_eq!(policy(Access::Issuer(issuer)), Some(Policy::UcanRequired { issuer: [3; 32] }));
    let key_id = key_id_of(&realm().key, Profile::PqPure);
    let realms = Policy::RealmMemberRequired { key_id, can: "call".to_owned() };
    assert_eq!(policy(Access::Realm), Some(realms));
}

#[test]
fn what_lets_calls_in_comes_with_the_policy_and_is_for_one_capability() {
    static CLOSED: CapabilityInfo = CapabilityInfo::new("lab.do", 1, "", 1);
    static OPEN: CapabilityInfo = CapabilityInfo::new("lab.say", 1, "", 1).access(Access::Open);
    let offer = |info: &'static CapabilityInfo| {
        let mut upheld = None;
        let offer = guarded(info, &realm(), CryptoProfile::PqPure, |made| {
            upheld = Some(made);
            Offer::unary(realm().id, PROCEDURE, handler(async |_| Err(String::new())))
        });
        (offer, upheld.unwrap())
    };
    let ((closed, for_closed), (open, for_open)) = (offer(&CLOSED), offer(&OPEN));
    assert!(closed.policy.is_some() && open.policy.is_none());
    assert!(for_closed.is_of(&CLOSED) && for_open.is_of(&OPEN));
    assert!(!for_open.is_of(&CLOSED) && !for_closed.is_of(&OPEN));
}

#[test]
fn base64url_is_read_as_it_is_written() {
    for (text, bytes) in [("", &b""[..]), ("Zg", b"f"), ("Zm8", b"fo"), ("Zm9v", b"foo"), ("-_-_", b"\xfb\xff\xbf")] {
        assert_eq!(decode_base64url(text.as_bytes()).as_deref(), Some(bytes), "{text}");
    }
    for wrong in ["Z", "Zg==", "Zm9vZ", "+/+/", "Z g", "Z\n"] {
        assert_eq!(decode_base64url(wrong.as_bytes()), None, "{wrong}");
    }
}
