//! The station of this box, as a service has it: run here, or followed.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{io, thread};

use macula_rust::profile::Profile;
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::time;

use crate::folder::FolderError;
use crate::info::{InfoError, StationInfo};
use crate::keys::KeysError;
use crate::seat::{Leave, Seat, Told, with_causes};
use crate::{Counts, Station, StationError};

/// The realm of a development station.
pub const REALM_NAME: &str = "hecate.local";

/// How long a process that leaves waits for its station to end.
const LEAVING: Duration = Duration::from_secs(2);

/// The station of this box: run by this process if the seat was free, else by the process that has it.
///
/// The seat is followed for ever: when the process that has it leaves or dies, one of the others takes it,
/// with the same keys and the same port. See the [crate's documentation](crate) for an example.
#[derive(Debug)]
pub struct DevelopmentMesh {
    station: watch::Receiver<Option<StationInfo>>,
    state: watch::Receiver<SeatState>,
    running: Running,
    leave: watch::Sender<Leave>,
    left: oneshot::Receiver<()>,
}

/// The station that this process runs, for who asks what it did.
pub(crate) type Running = Arc<Mutex<Option<Station>>>;

/// How a process is to the seat of its box.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SeatState {
    /// Another process runs the station, or is about to.
    Following,
    /// This process runs the station.
    Holding,
    /// There is no station that this process could dial, and why. It is tried again.
    Failing(Arc<JoinError>),
}

/// Why a process neither runs the station of its box nor follows it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The folder of the station cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A key of the station cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Whoever runs the station says nothing that this process understands.
    #[error(transparent)]
    Info(#[from] InfoError),
    /// The station of this box is of another profile.
    #[error(
        "process {pid} runs the station of this box in the profile {found}, this service is told {told}; help: give all services of this box one profile"
    )]
    OtherProfile {
        /// Who runs the station.
        pid: u32,
        /// Its profile.
        found: &'static str,
        /// The profile that this process is told.
        told: &'static str,
    },
    /// The station did not start.
    #[error("the development station does not start")]
    Station(#[from] StationError),
    /// There is no thread for the station.
    #[error("the development station gets no thread")]
    Thread(#[source] io::Error),
    /// A bug ended the station of this process, or what followed another.
    #[error(
        "the development station of this process ended by a bug; help: start the service again, and report what it wrote"
    )]
    Ended,
}

impl DevelopmentMesh {
    /// Takes the seat of this box if it is free, and runs the station on a thread and a runtime of its own,
    /// so that no handler which blocks a worker stops the mesh of the box; else follows whoever has it.
    ///
    /// `folder` is the same for all services of the box, `<runtime dir>/station`; it is made when it is
    /// missing. `profile` is the one that this service signs in. Returns when the station listens, when
    /// another process has the seat, or when it is clear that neither is so yet; see [`state`](Self::state).
    ///
    /// # Errors
    /// What a person must see to: the folder is open to others, a key does not read or is of another
    /// profile. What may pass is tried again, instead, and told by [`state`](Self::state).
    pub async fn join(folder: PathBuf, profile: Profile) -> Result<Self, JoinError> {
        let (station_sender, station) = watch::channel(None);
        let (state_sender, state) = watch::channel(SeatState::Following);
        let (leave, leave_receiver) = watch::channel(Leave::Stay);
        let (joined_sender, joined) = oneshot::channel();
        let (left_sender, left) = oneshot::channel();
        let running = Running::default();

        let told = Told {
            station: station_sender,
            state: state_sender,
            running: Arc::clone(&running),
            joined: Some(joined_sender),
        };
        let seat = Seat::new(folder, profile, told, leave_receiver);
        let run = move || {
            seat.run();
            // Who waits for it may have ceased to.
            let _ = left_sender.send(());
        };
        thread::Builder::new().name("hecate-station".to_owned()).spawn(run).map_err(JoinError::Thread)?;
        joined.await.unwrap_or(Err(JoinError::Ended))?;
        Ok(Self { station, state, running, leave, left })
    }

    /// The station to dial, and each that comes in its place. Every change is another station, in another
    /// process: links to the one before are dead, though its address is mostly the same. None while
    /// there is none that this service can dial, as far as is known.
    pub fn station(&self) -> watch::Receiver<Option<StationInfo>> {
        self.station.clone()
    }

    /// How this process is to the seat, with the cause while there is no station for it.
    pub fn state(&self) -> watch::Receiver<SeatState> {
        self.state.clone()
    }

    /// Whether this process runs the station.
    pub fn has_seat(&self) -> bool {
        matches!(*self.state.borrow(), SeatState::Holding)
    }

    /// What the station did and holds, when this process runs it.
    pub fn counts(&self) -> Option<Counts> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Station::counts)
    }

    /// Gives up the seat, or ceases to follow. A station that ends takes no new connections, relays what is
    /// in flight to its end, and frees its port before its seat; two seconds at most. Followers are then
    /// on their own feet within a fraction of a second.
    pub async fn leave(self) {
        self.leave.send_replace(Leave::HandOver);
        if time::timeout(LEAVING, self.left).await.is_err() {
            tracing::warn!("the development station of this process takes too long to end");
        }
    }
}

impl fmt::Display for SeatState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SeatState::Following => f.write_str("follows the station of this box"),
            SeatState::Holding => f.write_str("runs the station of this box"),
            SeatState::Failing(error) => write!(f, "has no station: {}", with_causes(error.as_ref())),
        }
    }
}
