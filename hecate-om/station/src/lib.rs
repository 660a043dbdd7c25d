//! The development station: a real Macula mesh on one box, with nothing installed.
//!
//! With no station configured, the first service on a box takes the seat and runs a station in its own
//! process; the others dial it. It speaks Macula wire 1.0 on loopback and keeps a station's contract,
//! with a realm of its own that admits the services of this box.

mod counts;
mod development;
mod error;
mod faults;
mod folder;
mod info;
mod keys;
mod limits;
mod seat;
mod station;

pub use counts::Counts;
pub use development::{DevelopmentMesh, JoinError, REALM_NAME, SeatState};
pub use error::StationError;
pub use faults::Faults;
pub use folder::FolderError;
pub use info::{InfoError, StationInfo};
pub use keys::KeysError;
pub use limits::Limits;
pub use station::{Keys, Options, Station};
