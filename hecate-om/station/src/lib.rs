//! The development station: a real Macula mesh on one box, with nothing installed.
//!
//! With no station configured, the first service on a box takes the seat and runs a station in its own
//! process; the others dial it. It speaks Macula wire 1.0 on loopback and keeps a station's contract,
//! with a realm of its own that admits the services of this box.
//!
//! [`Station`] is the engine: the handshake and its refusals, acknowledged registrations, the record store,
//! calls and replies, publications and streams, and the realm that admits orgs and makes out tokens. What it
//! holds is bounded by [`Limits`], what it did is told by [`Counts`], and [`Faults`] make it misbehave for tests.
//!
//! It trusts who runs as its own user, and root: a client's socket is looked up in the system's table of sockets,
//! and one of another user is not let in. Where there is no such table (it is Linux's), every user of the box
//! comes in.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use hecate_om_station::{Keys, Options, Station};
//! use macula_rust::node_key::NodeKey;
//! use macula_rust::profile::Profile;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let key = || NodeKey::generate_identity(Profile::PqPure, 0).map(Arc::new);
//! let keys = Keys { node: key()?, realm: key()? };
//! let station = Station::start(Options::new(keys, "hecate.local")).await?;
//! println!("listening on {}", station.address());
//! station.close().await;
//! # Ok(())
//! # }
//! ```

mod calls;
mod clock;
mod connection;
mod core;
mod counts;
mod error;
mod faults;
mod handshake;
mod issued;
mod leaf;
mod limits;
mod nodes;
mod peer;
mod pending;
mod publications;
mod queue;
mod realm;
mod records;
mod registrations;
mod reset;
mod station;
mod station_procedures;
mod streams;
mod wire;

pub use counts::Counts;
pub use error::StationError;
pub use faults::{Faults, RefusedRegistrations, RegistrationAnswer, Registrations};
pub use limits::Limits;
pub use station::{Keys, Options, Station};
