//! A caller that is on the mesh for a few calls: it offers nothing, announces nothing, and has a key that nobody
//! sees again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hecate_om_station::StationInfo;
use macula_rust::node_key::{NodeKey, PUZZLE_DIFFICULTY};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::access::profile_of;
use super::development::target_of;
use super::link::{Dialer, Linked, Links, Table, Target, admission};
use super::outbound::Outbound;
use super::presence::fixed_target;
use crate::config::mesh::MeshConfig;
use crate::node_id::NodeId;

/// How long links may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why nobody is on the mesh.
#[derive(Debug, Error)]
pub(crate) enum GuestError {
    #[error("no station is set, and no service of this box runs one")]
    NoStation,
    #[error(transparent)]
    Station(#[from] hecate_om_station::InfoError),
    #[error("no node key can be made: {0}")]
    Key(String),
    #[error("no station could be reached{}", .0.iter().map(|cause| format!("; {cause}")).collect::<String>())]
    NoLink(Vec<String>),
}

/// A caller on the mesh. When it is dropped, its links close.
pub(crate) struct Guest {
    links: Arc<Links>,
    outbound: Arc<Outbound>,
    _target: watch::Sender<Option<Target>>,
    _dialing: JoinSet<()>,
}

impl Guest {
    /// Makes a key and dials the stations that are set, else the one that runs on this box.
    pub(crate) async fn join(
        config: &MeshConfig,
        station_folder: &Path,
        patience: Duration,
    ) -> Result<Self, GuestError> {
        let (target, profile) = match fixed_target(config) {
            Some(target) => (target, profile_of(config.profile)),
            None => {
                let info = StationInfo::of_box(station_folder)?.ok_or(GuestError::NoStation)?;
                (target_of(&info, 0), info.profile)
            }
        };
        // It is a search, and takes a processor for a while.
        let made = tokio::task::spawn_blocking(move || NodeKey::generate_identity(profile, PUZZLE_DIFFICULTY)).await;
        let key = made.map_err(|error| GuestError::Key(error.to_string()))?;
        let key = key.map_err(|error| GuestError::Key(error.to_string()))?;
        let node = key.node_id().map_err(|error| GuestError::Key(error.to_string()))?;
        let (state, linked) = watch::channel(Linked::Down(Vec::new()));
        let links = Arc::new(Links::new(NodeId::from_bytes(node), linked));
        let table = Arc::new(Table::new(config.stations.is_empty()));
        let (told, dialed) = watch::channel(Some(target));
        let dialer = Dialer {
            identity: Arc::new(key),
            target: dialed,
            table: Arc::clone(&table),
            state,
            admission: admission(&[]),
        };
        let mut dialing = JoinSet::new();
        dialing.spawn(dialer.dial());
        if timeout(patience, links.up()).await.is_err() {
            return Err(GuestError::NoLink(table.causes()));
        }
        let outbound = Outbound::new(Arc::clone(&links), Handle::current(), None, Arc::default());
        Ok(Self { links, outbound, _target: told, _dialing: dialing })
    }

    pub(crate) fn outbound(&self) -> Arc<Outbound> {
        Arc::clone(&self.outbound)
    }

    pub(crate) async fn leave(self) {
        if let Ok((pool, _)) = self.links.linked() {
            let _ = timeout(GOODBYE, pool.close()).await;
        }
    }
}
