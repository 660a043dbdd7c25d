//! The mesh of a developer's box, where no station is set.

use std::path::PathBuf;
use std::time::Duration;

use hecate_om_station::{DevelopmentMesh, SeatState, StationInfo};
use macula_rust::profile::Profile;
use tokio::sync::{Mutex, watch};

use super::link::Target;
use crate::config::mesh::{Realm, Station};
use crate::node_id::NodeId;
use crate::random;

/// How long joining rests after it failed, at first and at most.
const REST: Duration = Duration::from_millis(500);
const MOST_REST: Duration = Duration::from_secs(30);
const JITTER: u32 = 30;

/// How long a link that ended rests: the station of a box is back at once, run by another of its services.
const REDIAL: Duration = Duration::from_millis(200);

/// This service's place on the development mesh.
pub(super) struct Development {
    folder: PathBuf,
    profile: Profile,
    mesh: Mutex<Option<DevelopmentMesh>>,
    /// Why it could not be joined, if it could not.
    trouble: watch::Sender<Option<String>>,
}

impl Development {
    pub(super) fn new(folder: PathBuf, profile: Profile) -> Self {
        Self { folder, profile, mesh: Mutex::new(None), trouble: watch::Sender::new(None) }
    }

    /// Tells `target` which station to dial, for ever.
    pub(super) async fn follow(&self, target: &watch::Sender<Option<Target>>) {
        let mut rest = REST;
        let mut station = loop {
            match DevelopmentMesh::join(self.folder.clone(), self.profile).await {
                Ok(mesh) => {
                    self.trouble.send_replace(None);
                    let station = mesh.station();
                    *self.mesh.lock().await = Some(mesh);
                    break station;
                }
                Err(error) => {
                    let told = crate::telemetry::chain(&error);
                    tracing::error!(error = told, "the development mesh of this box cannot be joined");
                    self.trouble.send_replace(Some(told));
                    tokio::time::sleep(random::about(rest, JITTER)).await;
                    rest = (rest * 2).min(MOST_REST);
                }
            }
        };
        for epoch in 0.. {
            let found = station.borrow_and_update().as_ref().map(|info| target_of(info, epoch));
            if found.is_some() {
                target.send_replace(found);
            }
            if station.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Why there is no station to dial, if there is none.
    pub(super) fn trouble(&self) -> Option<String> {
        let unjoined = self.trouble.borrow().clone();
        unjoined.or_else(|| {
            let mesh = self.mesh.try_lock().ok()?;
            match &*mesh.as_ref()?.state().borrow() {
                state @ SeatState::Failing(_) => Some(state.to_string()),
                _ => None,
            }
        })
    }

    /// Whether the station runs in this process.
    pub(super) fn has_seat(&self) -> bool {
        self.mesh.try_lock().is_ok_and(|mesh| mesh.as_ref().is_some_and(DevelopmentMesh::has_seat))
    }

    /// How many calls the station of this process has passed on, if it runs here.
    pub(super) fn relayed(&self) -> Option<u64> {
        let mesh = self.mesh.try_lock().ok()?;
        mesh.as_ref()?.counts().map(|counts| counts.relayed_calls)
    }

    /// Hands the station over to another service of this box.
    pub(super) async fn leave(&self) {
        let mesh = self.mesh.lock().await.take();
        if let Some(mesh) = mesh {
            mesh.leave().await;
        }
    }
}

/// What another process told of its station.
pub(super) fn target_of(info: &StationInfo, epoch: u64) -> Target {
    let node = NodeId::from_bytes(info.node_id);
    let station = Station { host: info.host.clone(), port: info.port, node };
    let realm = Realm { id: info.realm, name: Some(info.realm_name.clone()), key: info.realm_key.clone() };
    Target { stations: vec![station], realm, epoch, redial: REDIAL }
}
