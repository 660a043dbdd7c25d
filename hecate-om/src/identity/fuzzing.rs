//! The files and tokens that say who a service is: tried with whatever bytes there are.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a broken promise is told")]

use std::time::{Duration, SystemTime};

use macula_rust::node_key::node_id_of;
use macula_rust::profile::Profile;

use super::seed;
use super::token;
use super::x509::Certificate;
use crate::config::mesh::{CryptoProfile, Realm};
use crate::fuzzing::{is_one_line, parts};
use crate::health::Health;
use crate::mesh::access;
use crate::node_id::NodeId;

/// A time at which the tokens of the corpus are valid.
const NOW: Duration = Duration::from_secs(1_800_000_000);

/// Reads a service certificate: what is told of it is short and stays on its line.
pub(crate) fn certificate(input: &[u8]) {
    match Certificate::of_any(input) {
        Ok(certificate) => {
            for now in [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + NOW, certificate.from, certificate.until] {
                let health = certificate.health(now);
                let reason = health.reason().unwrap_or("ok");
                assert!(is_one_line(reason) && reason.len() < 400, "{reason:?}");
                assert!(health == Health::Ok || reason.contains(&certificate.subject), "{reason:?}");
            }
        }
        Err(what) => assert!(is_one_line(&what) && what.len() < 200, "{what:?}"),
    }
}

/// Reads a node key: one that is whole is the same when its file is written again, and nothing of one that
/// is not is told. After it stands what the marker beside it says.
pub(crate) fn key_file(input: &[u8]) {
    let [file, marker] = parts(input);
    for profile in [Profile::PqPure, Profile::PqHybrid] {
        match seed::identity_of(file, profile) {
            Ok(key) => drop(key.node_id().unwrap()),
            Err(error) => assert!(is_one_line(&error.to_string()) && error.to_string().len() < 200, "{error}"),
        }
    }
    if let Ok(node) = String::from_utf8_lossy(marker).trim().parse::<NodeId>() {
        assert_eq!(node.to_string().parse(), Ok(node));
    }
}

/// Reads a token as a provider does that is shown it, and as the service does that is granted it. After it
/// stand the key of its issuer and its claims.
pub(crate) fn token(input: &[u8]) {
    let [token, key, claims] = parts(input);
    let realm = Realm { id: [1; 32], name: Some("hecate.local".to_owned()), key: key.to_vec() };
    let now = SystemTime::UNIX_EPOCH + NOW;
    for profile in [CryptoProfile::PqPure, CryptoProfile::PqHybrid] {
        let issuer = NodeId::from_bytes(node_id_of(key, access::profile_of(profile)));
        if let Err(error) = access::check_bearer(token, issuer, "lab/lab.few_v1", &realm, profile, now) {
            assert_eq!(error.code(), "unauthorized");
            assert!(is_one_line(error.message()), "{error}");
        }
        token::fuzzing::is_held(token, claims, &realm, access::profile_of(profile), now);
    }
    token::fuzzing::is_answer(claims);
}
