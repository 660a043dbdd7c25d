//! The time that a process has the seat: its station, from the first try of the port to the last goodbye.
//!
//! A station ends before its seat is free, not after. Two stations cannot share a UDP port without taking
//! each other's packets, and clients come back to the port that they know: so what is in flight is relayed
//! to its end first, then the port is free, then the lock, and the next station is there before the
//! clients' links dial again.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::time;

use super::{Leave, Look, Retry, Seat};
use crate::development::{JoinError, REALM_NAME, SeatState};
use crate::folder::{self, Lock, StationFolder};
use crate::info::StationInfo;
use crate::{Keys, Options, Station, StationError, orgs};

/// How long the port of the last station is tried: a process that dies frees it a moment after its lock.
const PORT: Duration = Duration::from_secs(1);
const PORT_AGAIN: Duration = Duration::from_millis(20);
/// How often the lock is looked at, whether others would find it: while another waits for the port.
const LOCK: Duration = Duration::from_millis(500);
/// How long relays in flight keep a station that is to end.
const IN_FLIGHT: Duration = Duration::from_millis(1200);
const IN_FLIGHT_AGAIN: Duration = Duration::from_millis(5);
/// How long the goodbyes may take, and after them whatever still runs.
const GOODBYES: Duration = Duration::from_millis(600);
const REST: Duration = Duration::from_millis(100);
/// Signatures are checked beside the relay.
const WORKERS: usize = 2;

impl Seat {
    /// Runs the station until the process leaves, on a runtime of its own.
    pub(super) fn hold(&mut self, folder: &StationFolder, lock: &mut Lock, keys: Keys) -> Result<Look, JoinError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("hecate-station")
            .enable_all()
            .build()
            .map_err(JoinError::Thread)?;
        let held = runtime.block_on(self.run_station(folder, lock, keys));
        // Its socket is gone with it, before the lock is.
        runtime.shutdown_timeout(REST);
        // What others have put in the place of a folder that was removed is theirs.
        if lock.is_in_place()
            && let Err(error) = folder::remove(&folder.info())
        {
            tracing::warn!(%error, "the address of a station that ended stays");
        }
        held
    }

    async fn run_station(&mut self, folder: &StationFolder, lock: &mut Lock, keys: Keys) -> Result<Look, JoinError> {
        let mut options = Options::new(keys, REALM_NAME);
        options.orgs = orgs::of_before(folder);
        let station = start(options, lock.last_port().or(self.port)).await?;
        let address = station.address();
        lock.note(address.port())?;
        self.port = Some(address.port());
        let info = StationInfo {
            schema: StationInfo::SCHEMA.to_owned(),
            pid: std::process::id(),
            host: address.ip().to_string(),
            port: address.port(),
            node_id: station.node_id(),
            profile: self.profile,
            realm: station.realm_id(),
            realm_name: REALM_NAME.to_owned(),
            realm_key: station.realm_key(),
        };
        info.publish(&folder.info())?;

        let notes = orgs::note(folder, station.orgs());
        tokio::pin!(notes);
        self.retry = Retry::new();
        *self.told.running() = Some(station);
        self.told.now(SeatState::Holding, Some(info));
        self.told.joined(Ok(()));
        tracing::info!(%address, "this process runs the development station of this box");

        let mut leave = self.leave.clone();
        let look = loop {
            tokio::select! {
                _ = leave.changed() => break Look::Left,
                () = &mut notes => {}
                () = time::sleep(LOCK) => if !lock.is_in_place() { break Look::Lost },
            }
        };
        let station = self.told.running().take();
        self.told.state.send_replace(SeatState::Following);
        if let Some(station) = station {
            end(station, *leave.borrow() == Leave::HandOver).await;
        }
        Ok(look)
    }
}

/// Starts a station where the last one was, or anywhere when that is somebody else's by now.
async fn start(mut options: Options, last_port: Option<u16>) -> Result<Station, StationError> {
    let begun = Instant::now();
    while let Some(port) = last_port {
        options.bind = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match Station::start(options.clone()).await {
            Err(StationError::Listen { source, .. }) if begun.elapsed() < PORT && is_taken(source.kind()) => {
                time::sleep(PORT_AGAIN).await;
            }
            Err(StationError::Listen { source, .. }) if is_taken(source.kind()) => {
                tracing::warn!(port, "another process has the port of the last development station");
                break;
            }
            started => return started,
        }
    }
    options.bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Station::start(options).await
}

/// `PermissionDenied`: a port that was free for another user, or under another limit.
fn is_taken(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
}

/// Ends a station; when it hands over, not before what it relays is through.
async fn end(station: Station, hand_over: bool) {
    if hand_over {
        let drained = async {
            station.refuse_new().await;
            while relays(&station) > 0 {
                time::sleep(IN_FLIGHT_AGAIN).await;
            }
        };
        if time::timeout(IN_FLIGHT, drained).await.is_err() {
            tracing::warn!(relays = relays(&station), "the development station ends with calls in flight");
        }
    }
    if time::timeout(GOODBYES, station.close()).await.is_err() {
        tracing::debug!("the development station ended without a word to all its clients");
    }
}

/// Calls and streams that are on their way.
fn relays(station: &Station) -> u64 {
    let counts = station.counts();
    counts.pending_calls + counts.streams
}
