//! A caller on the mesh that is no service.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use super::{Answer, NOBODY, Outside, Sending, kind_of, plan};
use crate::capability::Kind;
use crate::client::{CallError, CallSettings, Calls, Reference, bring};
use crate::config::mesh::{MeshMode, Resolve};
use crate::mesh::guest::{Guest as OnMesh, GuestError};
use crate::mesh::procedure;

/// Why a caller is not on the mesh.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct JoinError(Why);

#[derive(Debug, Error)]
enum Why {
    #[error("HECATE_MESH is `off`; help: unset it")]
    Off,
    #[error("{0}; help: start a service with the mesh, or `hecate-om station`, or look at MACULA_STATION_SEEDS")]
    NotJoined(GuestError),
}

/// A caller on the mesh: it has a node key of its own, made for it alone, offers nothing, and holds no token but
/// those that it is given. What is open answers it.
pub struct Guest {
    calls: Arc<Calls>,
    on_mesh: OnMesh,
}

impl Outside {
    /// Joins the mesh of the stations that are set, else that of the development station that runs on this box.
    ///
    /// # Errors
    /// When there is no station, or none that answers in time.
    pub async fn join(&self, patience: Duration) -> Result<Guest, JoinError> {
        if self.config.mesh.mode == MeshMode::Off {
            return Err(JoinError(Why::Off));
        }
        let joined = OnMesh::join(&self.config.mesh, &self.station_folder(), patience).await;
        let on_mesh = joined.map_err(|error| JoinError(Why::NotJoined(error)))?;
        let settings = CallSettings {
            org: self.config.mesh.org.clone(),
            peers: BTreeMap::new(),
            resolve: Resolve::Mesh,
            realm: self.config.mesh.realm.as_ref().map(|realm| realm.id),
            runtime_dir: self.config.runtime_dir.clone(),
        };
        let calls = Calls::new(&NOBODY, settings);
        calls.join_mesh(on_mesh.outbound());
        Ok(Guest { calls, on_mesh })
    }
}

impl Guest {
    /// What a service of an org says that it offers: each capability by its name and version, and how it is
    /// called. A provider that is no hecate service says nothing.
    ///
    /// # Errors
    /// As of any call.
    pub async fn offers(
        &self,
        org: &str,
        scope: &str,
        timeout: Option<Duration>,
    ) -> Result<HashMap<(String, u16), Kind>, CallError> {
        let info = Reference::new(&format!("{org}/{scope}.info"), 1)
            .map_err(|error| CallError::Request(crate::CapabilityError::invalid_request(error.to_string())))?;
        let mut answer = self.call(&info, Kind::Unary, Sending::One("{}".to_owned()), None, timeout).await?;
        let text = answer.next().await.transpose()?.unwrap_or_default();
        let told: Value = serde_json::from_str(&text).unwrap_or_default();
        let offers = told["capabilities"].as_array().into_iter().flatten().filter_map(|offer| {
            let offer = offer.as_str()?;
            let (name, version) = offer.strip_prefix(org)?.strip_prefix('/')?.rsplit_once("_v")?;
            let version = version.parse().ok().filter(|version| procedure(org, name, *version) == offer)?;
            let kind = told["streams"][offer].as_str().map_or(Some(Kind::Unary), kind_of)?;
            Some(((name.to_owned(), version), kind))
        });
        Ok(offers.collect())
    }

    /// Calls a capability, which must be named with its org; the token (a UCAN) is for one that is not open, and
    /// `timeout` is how long to wait for the first word, and for each item of a stream.
    ///
    /// # Errors
    /// As of any call.
    pub async fn call(
        &self,
        capability: &Reference,
        kind: Kind,
        sending: Sending,
        token: Option<Arc<[u8]>>,
        timeout: Option<Duration>,
    ) -> Result<Answer, CallError> {
        let org = capability.org().unwrap_or(&self.calls.settings.org).to_owned();
        let mut plan = plan(org, capability.name(), capability.version(), timeout);
        plan.token = token;
        let called = plan.address.to_string();
        Ok(Answer::of(bring(&self.calls, plan, kind, sending.erased(kind)).await?, called, timeout))
    }

    /// Closes the links.
    pub async fn leave(self) {
        self.on_mesh.leave().await;
    }
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guest")
    }
}
