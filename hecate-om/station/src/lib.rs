//! The development station: a real Macula mesh on one box, with nothing installed.
//!
//! With no station configured, the first service on a box takes the seat and runs a station in its own
//! process; the others dial it. It speaks Macula wire 1.0 on loopback and keeps a station's contract,
//! with a realm of its own that admits the services of this box.

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
