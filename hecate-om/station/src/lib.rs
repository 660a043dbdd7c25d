//! The development station: a real Macula mesh on one box, with nothing installed.
//!
//! With no station configured, the first service on a box takes the seat and runs a station in its own
//! process; the others dial it. It speaks Macula wire 1.0 on loopback and keeps a station's contract,
//! with a realm of its own that admits the services of this box.

mod counts;
mod error;
mod faults;
mod limits;
mod station;

pub use counts::Counts;
pub use error::StationError;
pub use faults::Faults;
pub use limits::Limits;
pub use station::{Keys, Options, Station};
