//! The certificate that a station listens with, and what binds it to the station's identity.
//!
//! It is looked at whenever somebody connects and made anew after six of the seven days that a binding may
//! last, or when the clock has left them: no timer, so nothing that a sleeping box or a set clock upsets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use macula_mldsa::ML_DSA_87;
use macula_rust::binding::{self, BindingError, SignedTbs};
use macula_rust::node_key::NodeKey;
use macula_rust::transport;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{IdleTimeout, ServerConfig, TransportConfig, VarInt};

use crate::error::StationError;
use crate::{Limits, clock};

const DAY: u64 = 24 * 60 * 60 * 1000;
const HOUR: u64 = 60 * 60 * 1000;
/// How long a binding holds: as long as clients take it.
const BOUND: u64 = 7 * DAY;
/// When a leaf is followed by another.
const RENEWED: u64 = 6 * DAY;
/// When clients are told anew that a binding is in force; a statement holds an hour.
pub(crate) const RESTATED: Duration = Duration::from_secs(15 * 60);

/// A client that is gone without a word is missed after this, and a station, by its clients. Both ends are on
/// one box: nothing but a stopped process keeps a packet that long.
const IDLE: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// So many streams of one client are being refused at once.
const REFUSED_STREAMS: usize = 16;

/// A certificate and what binds it.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) der: Vec<u8>,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) binding: SignedTbs,
    made: u64,
    statement: Mutex<(SignedTbs, u64)>,
}

impl Leaf {
    fn new(key: &NodeKey, limits: &Limits, now: u64) -> Result<Self, StationError> {
        let certificate = |error: &dyn std::fmt::Display| StationError::Certificate(error.to_string());
        // A key of its own: the identity's must not appear in the certificate.
        let (_, seed) =
            macula_mldsa::key_gen_seed(ML_DSA_87).map_err(|error| certificate(&format_args!("{error:?}")))?;
        let (der, private) = macula_pqc::self_signed_certificate(&seed, vec!["localhost".to_owned()])
            .map_err(|error| certificate(&error))?;
        let mut tls = macula_pqc::server_builder()
            .with_no_client_auth()
            .with_single_cert(vec![der.clone()], private.into())
            .map_err(|error| certificate(&error))?;
        tls.alpn_protocols = vec![transport::ALPN.to_vec()];
        // Each connection proves who it is anew.
        tls.send_tls13_tickets = 0;
        let quic = QuicServerConfig::with_initial(Arc::new(tls), macula_pqc::quic_initial_suite())
            .map_err(|error| certificate(&error))?;
        let mut config = ServerConfig::with_crypto(Arc::new(quic));
        config.transport_config(Arc::new(transport_config(limits)));
        // Who a peer is was found out by its address.
        config.migration(false);
        let not_after = clock::signed(now + BOUND);
        let binding = binding::tls_binding(key, &der, clock::signed(now), not_after)?;
        let statement = Mutex::new((state(key, &binding, now)?, now));
        Ok(Self { der: der.to_vec(), config: Arc::new(config), binding, made: now, statement })
    }

    fn serves_at(&self, now: u64) -> bool {
        (self.made..self.made + RENEWED).contains(&now)
    }

    /// That the binding is in force, said at most a few minutes ago.
    pub(crate) fn statement(&self, key: &NodeKey, now: u64) -> Result<SignedTbs, BindingError> {
        let mut statement = self.statement.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back makes what was said a thing of the future.
        if u128::from(now.abs_diff(statement.1)) >= RESTATED.as_millis() / 3 {
            *statement = (state(key, &self.binding, now)?, now);
        }
        Ok(statement.0.clone())
    }
}

fn state(key: &NodeKey, binding: &SignedTbs, now: u64) -> Result<SignedTbs, BindingError> {
    binding::status_statement(key, binding, clock::signed(now), clock::signed(now + HOUR))
}

fn transport_config(limits: &Limits) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(IdleTimeout::try_from(IDLE).ok());
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    transport.stream_receive_window(VarInt::from_u32(16 << 20));
    transport.receive_window(VarInt::from_u32(64 << 20));
    transport.send_window(64 << 20);
    // One is the control stream; some that are beyond the limit are refused rather than left to wait.
    let streams = limits.streams.saturating_add(1 + REFUSED_STREAMS);
    transport.max_concurrent_bidi_streams(VarInt::from_u32(u32::try_from(streams).unwrap_or(u32::MAX)));
    transport.max_concurrent_uni_streams(VarInt::from_u32(0));
    transport
}

/// The leaf of now, and those before it as long as a connection has them.
#[derive(Debug)]
pub(crate) struct Leaves {
    key: Arc<NodeKey>,
    limits: Limits,
    current: Mutex<Arc<Leaf>>,
}

impl Leaves {
    pub(crate) fn new(key: Arc<NodeKey>, limits: Limits) -> Result<Self, StationError> {
        let current = Leaf::new(&key, &limits, clock::now_ms())?;
        Ok(Self { key, limits, current: Mutex::new(Arc::new(current)) })
    }

    /// The leaf for who connects at `now`.
    pub(crate) fn at(&self, now: u64) -> Arc<Leaf> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if !current.serves_at(now) {
            match Leaf::new(&self.key, &self.limits, now) {
                Ok(leaf) => *current = Arc::new(leaf),
                Err(error) => tracing::warn!(%error, "the station goes on with the certificate that it has"),
            }
        }
        current.clone()
    }
}

#[cfg(test)]
mod tests {
    use macula_rust::profile::Profile;

    use super::*;

    #[test]
    fn a_leaf_is_followed_before_its_binding_lapses_and_when_the_clock_leaves_it() {
        let key = Arc::new(NodeKey::generate_identity(Profile::PqPure, 0).unwrap());
        let leaves = Leaves::new(key.clone(), Limits::default()).unwrap();
        let now = clock::now_ms();
        let first = leaves.at(now);
        assert!(Arc::ptr_eq(&first, &leaves.at(now + RENEWED - HOUR)));
        let second = leaves.at(now + RENEWED + HOUR);
        assert_ne!(first.der, second.der);
        let earlier = leaves.at(now - HOUR);
        assert_ne!(second.der, earlier.der);
        let at = clock::signed(now - HOUR);
        let verified =
            binding::verify_tls_binding(&earlier.binding, &key.public_key(), Profile::PqPure, &earlier.der, at);
        assert_eq!(verified.unwrap().not_after, clock::signed(now - HOUR + BOUND));
    }

    #[test]
    fn a_statement_is_always_one_that_clients_take() {
        let key = NodeKey::generate_identity(Profile::PqPure, 0).unwrap();
        let now = clock::now_ms();
        let leaf = Leaf::new(&key, &Limits::default(), now).unwrap();
        for at in [now, now + 1, now + HOUR, now + 4 * DAY, now - HOUR] {
            let statement = leaf.statement(&key, at).unwrap();
            let at = clock::signed(at);
            let verified = binding::verify_status(&statement, &leaf.binding, &key.public_key(), Profile::PqPure, at);
            assert!(verified.unwrap() > at + clock::signed(HOUR / 2));
        }
    }
}
