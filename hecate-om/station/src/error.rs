//! Why a station does not run.

use std::io;
use std::net::SocketAddr;

use macula_rust::binding::BindingError;
use macula_rust::node_key::KeyError;
use thiserror::Error;

/// Why a station does not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StationError {
    /// It was to listen where other machines reach it.
    #[error("a development station listens on loopback only, not on {0}")]
    NotLoopback(SocketAddr),
    /// The address is taken, or may not be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The keys of the node and of the realm are of different profiles.
    #[error("the station's key is of the profile {node}, the realm's of {realm}")]
    ProfilesDiffer {
        /// The profile of the node's key.
        node: &'static str,
        /// The profile of the realm's key.
        realm: &'static str,
    },
    /// Tokens cannot name the realm.
    #[error("`{0}` cannot name a realm: segments of a-z, 0-9, - and _, joined by dots, 128 bytes at most")]
    RealmName(String),
    /// A key cannot sign, or is not an identity key.
    #[error("a key of the station does not do its work")]
    Key(#[from] KeyError),
    /// The station's certificate could not be bound to its key.
    #[error("the station's certificate could not be bound to its key")]
    Binding(#[from] BindingError),
    /// There is no certificate to listen with.
    #[error("the station's certificate could not be made: {0}")]
    Certificate(String),
    /// A record that the station signs itself could not be made.
    #[error("a record of the station could not be made: {0}")]
    Record(String),
}
