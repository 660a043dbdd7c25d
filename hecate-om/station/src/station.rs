//! A running station.

use std::net::SocketAddr;
use std::sync::Arc;

use macula_rust::node_key::NodeKey;

use crate::{Counts, Faults, Limits, StationError};

/// The keys of a station, both in one profile.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The station's identity: what clients pin.
    pub node: Arc<NodeKey>,
    /// The development realm's: an identity key, too, since it signs tokens.
    pub realm: Arc<NodeKey>,
}

/// What a station is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its keys.
    pub keys: Keys,
    /// The name of its realm, as tokens and procedures carry it, such as `hecate.local`.
    pub realm_name: String,
    /// Where it listens: on loopback; port 0 for any that is free.
    pub bind: SocketAddr,
    /// How much it holds.
    pub limits: Limits,
    /// How many zero bits the ids of its clients must start with. [`Options::new`] takes the SDK's own
    /// number; 0 is for tests that make many keys.
    pub puzzle_difficulty: u32,
}

impl Options {
    /// A station on any free port of 127.0.0.1, with default limits.
    pub fn new(keys: Keys, realm_name: impl Into<String>) -> Self {
        Self {
            keys,
            realm_name: realm_name.into(),
            bind: ([127, 0, 0, 1], 0).into(),
            limits: Limits::default(),
            puzzle_difficulty: macula_rust::node_key::PUZZLE_DIFFICULTY,
        }
    }
}

/// A running station. Dropping it ends it, without a word to its clients.
#[derive(Debug)]
pub struct Station {}

impl Station {
    /// Starts a station on the current tokio runtime.
    ///
    /// # Errors
    /// The address is taken or is not loopback, a key does not fit, or the realm cannot bear its name.
    pub async fn start(options: Options) -> Result<Self, StationError> {
        drop(options);
        unimplemented!()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        unimplemented!()
    }

    /// What its clients pin.
    pub fn node_id(&self) -> [u8; 32] {
        unimplemented!()
    }

    /// The id of its realm: SHA-256 of the realm's name.
    pub fn realm_id(&self) -> [u8; 32] {
        unimplemented!()
    }

    /// The realm's public key as carried, for clients to trust.
    pub fn realm_key(&self) -> Vec<u8> {
        unimplemented!()
    }

    /// What it holds and did.
    pub fn counts(&self) -> Counts {
        unimplemented!()
    }

    /// The knobs that make it misbehave.
    pub fn faults(&self) -> &Faults {
        unimplemented!()
    }

    /// Takes no more connections; those that are go on.
    pub async fn refuse_new(&self) {
        unimplemented!()
    }

    /// Ends every connection with a goodbye, and the station.
    pub async fn close(self) {
        unimplemented!()
    }
}
