//! The links of this node to stations.

use macula_rust::pool::Pool;
use thiserror::Error;
use tokio::sync::watch;

use crate::config::mesh::Realm;
use crate::node_id::NodeId;

/// The links of this node, as they come and go.
pub(crate) struct Links {
    node: NodeId,
    state: watch::Receiver<Linked>,
}

/// What there is of links.
#[derive(Clone)]
pub(crate) enum Linked {
    /// A link is up.
    Up { pool: Pool, realm: Realm },
    /// None is; why, for each station.
    Down(Vec<String>),
}

/// No link to a station is up.
#[derive(Debug, Clone, Error)]
#[error("no link to a station is up{}", .0.iter().map(|cause| format!("; {cause}")).collect::<String>())]
pub(crate) struct NoLink(pub(crate) Vec<String>);

impl Links {
    pub(crate) fn new(node: NodeId, state: watch::Receiver<Linked>) -> Self {
        Self { node, state }
    }

    /// The node that this process is on the mesh.
    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// The links, if one is up, and the realm that they are in.
    pub(crate) fn linked(&self) -> Result<(Pool, Realm), NoLink> {
        match &*self.state.borrow() {
            Linked::Up { pool, realm } => Ok((pool.clone(), realm.clone())),
            Linked::Down(causes) => Err(NoLink(causes.clone())),
        }
    }

    /// Waits until a link is up.
    pub(crate) async fn up(&self) -> (Pool, Realm) {
        let mut state = self.state.clone();
        loop {
            if let Linked::Up { pool, realm } = &*state.borrow_and_update() {
                return (pool.clone(), realm.clone());
            }
            if state.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Tells of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<Linked> {
        self.state.clone()
    }
}
